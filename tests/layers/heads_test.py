"""Softmaxes of other kinds than the plain one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from lstm_jax import LSTM, unroll
from lstm_jax.layers.dropout import noise_keys
from lstm_jax.layers.heads import MixtureOfSoftmaxes, Softmax
from lstm_jax.models.language_model import Head, LanguageModel
from lstm_jax.models.sequence_model import SequenceModel

B, T, H, E, V, K = 2, 3, 5, 4, 7, 3


@pytest.fixture
def numbers(x64):
  rng = np.random.default_rng(0)

  def draw(*shape):
    return jnp.asarray(rng.normal(size=shape))

  targets = jnp.asarray(rng.integers(0, V, (B, T)))
  return draw, targets


def mixture(draw, experts=K, fused=True):
  return MixtureOfSoftmaxes(
    draw(E, V),
    draw(V),
    draw(H, experts),
    draw(H, experts * E),
    draw(experts * E),
    fused,
  )


def test_a_mixture_by_hand(numbers):
  draw, targets = numbers
  head, h = mixture(draw), draw(B, T, H)
  pi = jax.nn.softmax(h @ head.prior)
  p = 0
  for k in range(K):
    part = slice(k * E, (k + 1) * E)
    latent = jnp.tanh(h @ head.latent_w[:, part] + head.latent_b[part])
    p += pi[..., k, None] * jax.nn.softmax(latent @ head.w + head.b)
  np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-12)
  np.testing.assert_allclose(head.logits(h), jnp.log(p), rtol=1e-10)
  picked = jnp.take_along_axis(p, targets[..., None], -1)[..., 0]
  np.testing.assert_allclose(head.nll(h, targets), -jnp.log(picked), rtol=1e-10)


def test_one_expert_is_a_softmax(numbers):
  draw, targets = numbers
  head, h = mixture(draw, 1), draw(B, T, H)
  latent = jnp.tanh(h @ head.latent_w + head.latent_b)
  np.testing.assert_allclose(
    head.nll(h, targets),
    Softmax(head.w, head.b).nll(latent, targets),
    rtol=1e-12,
  )


def test_gradients_of_a_mixture(numbers):
  draw, targets = numbers
  head, h = mixture(draw), draw(B, T, H)

  def loss(h, *parameters):
    return MixtureOfSoftmaxes(*parameters).nll(h, targets).sum()

  parameters = head.w, head.b, head.prior, head.latent_w, head.latent_b
  check_grads(loss, (h, *parameters), 1, ["rev"], atol=1e-6, rtol=1e-6)


def test_a_projection_is_a_product(numbers):
  draw, targets = numbers
  w, b, projection, h = draw(E, V), draw(V), draw(H, E), draw(B, T, H)
  head = Softmax(w, b, True, projection)
  np.testing.assert_allclose(
    head.nll(h, targets), Softmax(projection @ w, b).nll(h, targets), rtol=1e-10
  )


@pytest.mark.parametrize(
  "head",
  [
    pytest.param(Head(tied=True, project=True), marks=pytest.mark.slow),
    Head(tied=True, experts=3, latent_dropout=0.5),
    Head(experts=2, activation_l2=1.0, slowness_l2=1.0),
  ],
)
def test_models_with_them_learn_all_parameters(head):
  cells = [LSTM(5), LSTM(5)]
  model = LanguageModel(
    cells,
    vocabulary_size=V,
    embedding_size=E,
    head=head,
    sum_layers=True,
    rngs=nnx.Rngs(0),
  )
  tokens = np.random.default_rng(0).integers(0, V, (3, 9)).astype(np.int32)
  structure, params = nnx.split(model)
  keys = noise_keys(jax.random.key(0), jnp.arange(3))

  def loss(params):
    output = nnx.merge(structure, params)(tokens[:, :-1], keys=keys)
    assert isinstance(output.penalty, jax.Array) == (head.slowness_l2 > 0)
    return output.nll(tokens[:, 1:]).sum()

  for leaf in jax.tree.leaves(jax.grad(loss)(params)):
    assert float(jnp.abs(leaf).max()) > 0
  quiet = model(tokens[:, :-1])
  assert quiet.penalty == 0
  total = jax.nn.softmax(quiet.logits()).sum(-1)
  np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_products_of_bfloat16_are_summed_in_float32():
  """What only sums and the last rounding of float32 can come near to."""
  rng = np.random.default_rng(0)

  def draw(*shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)

  def round(a):
    return np.asarray(a.astype(jnp.bfloat16), np.float64)

  h = draw(B, T, H).astype(jnp.bfloat16)
  head = mixture(draw)
  log_pi, _ = head._parts(h)
  expected = jax.nn.log_softmax(round(h) @ round(head.prior))
  np.testing.assert_allclose(log_pi, expected, atol=1e-5)
  model = SequenceModel(
    [LSTM(H)],
    input_size=V,
    output_size=K,
    symbols=False,
    skip=True,
    dtype="bfloat16",
    rngs=nnx.Rngs(0),
  )
  x = draw(B, T, V)
  output = model(x)
  expected = round(output.features) @ round(model.output_w[...])
  expected += round(x) @ round(model.skip_w[...])
  np.testing.assert_allclose(output.logits(), expected, atol=1e-5)


def test_layers_are_summed():
  plain, summed = (
    LanguageModel(
      [LSTM(4), LSTM(4)],
      vocabulary_size=V,
      embedding_size=0,
      sum_layers=flag,
      rngs=nnx.Rngs(0),
    )
    for flag in (False, True)
  )
  tokens = np.arange(6).reshape(2, 3).astype(np.int32)
  one_hot = jax.nn.one_hot(tokens, V)
  params = [
    {name: p[...] for name, p in layer.items()} for layer in plain.stack.layers
  ]
  first, _ = unroll(LSTM(4), params[0], one_hot)
  second, _ = unroll(LSTM(4), params[1], first)
  np.testing.assert_allclose(plain(tokens).features, second, atol=1e-6)
  np.testing.assert_allclose(summed(tokens).features, first + second, atol=1e-6)


def test_the_input_gate_is_capped(x64):
  cell, capped = LSTM(3), LSTM(3, cap_input_gate=True)
  rng = np.random.default_rng(0)
  z = jnp.asarray(rng.normal(size=(2, 12)) * 2)
  state = type(cell.initial_state(2))(*jnp.asarray(rng.normal(size=(2, 2, 3))))
  i, f, g, o = np.split(np.asarray(z), 4, -1)
  i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
  c = f * state.c + np.minimum(i, 1 - f) * np.tanh(g)
  np.testing.assert_allclose(capped.step({}, z, state).c, c, rtol=1e-12)
  assert (cell.step({}, z, state).c != c).any()
