"""The language model: likelihoods, state, dropout, tied softmax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax import LSTM
from lstm_jax.cells.mogrifier import MogrifierLSTM
from lstm_jax.layers.dropout import Dropout, noise_keys
from lstm_jax.models.base import parameter_count
from lstm_jax.models.language_model import Head, LanguageModel

V, E, H = 11, 4, 6


def make(**options):
  options = {"vocabulary_size": V, "embedding_size": E} | options
  cells = [LSTM(5), LSTM(H)]
  return LanguageModel(cells, **options, rngs=nnx.Rngs(0))


@pytest.fixture
def tokens():
  return np.random.default_rng(0).integers(0, V, (3, 9)).astype(np.int32)


def test_likelihoods_are_those_of_the_logits(tokens):
  output = make()(tokens[:, :-1])
  logits = np.asarray(output.logits(), np.float64)
  log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  expected = -np.take_along_axis(log_p, tokens[:, 1:, None], 2)[..., 0]
  np.testing.assert_allclose(output.nll(tokens[:, 1:]), expected, rtol=1e-5)


def test_without_an_embedding(tokens):
  plain = make(embedding_size=0)(tokens).features
  narrow = make(embedding_size=0, dtype="bfloat16")(tokens).features
  assert plain.dtype == jnp.float32 and narrow.dtype == jnp.bfloat16
  np.testing.assert_allclose(plain, narrow.astype(jnp.float32), atol=0.01)
  mogrifier = LanguageModel(  # has no matrix to look a symbol up in
    [MogrifierLSTM(H)], vocabulary_size=V, embedding_size=0, rngs=nnx.Rngs(0)
  )
  assert mogrifier(tokens).logits().shape == (*tokens.shape, V)


def test_parameter_count():
  free = V * E + 4 * 5 * (E + 5 + 1) + 4 * H * (5 + H + 1) + H * V + V
  assert parameter_count(nnx.state(make())) == free
  tied = V * H + 4 * 5 * (H + 5 + 1) + 4 * H * (5 + H + 1) + V
  assert (
    parameter_count(nnx.state(make(embedding_size=H, head=Head(tied=True))))
    == tied
  )


def test_a_tied_softmax_is_the_embedding(tokens):
  model = make(embedding_size=H, head=Head(tied=True))
  output = model(tokens)
  np.testing.assert_allclose(
    output.logits(), output.features @ model.embedding[...].T, atol=1e-6
  )
  with pytest.raises(ValueError, match="embedding_size 4 to equal"):
    make(head=Head(tied=True))


def test_state_goes_on_from_window_to_window(tokens):
  model = make()
  whole = model(tokens)
  first = model(tokens[:, :4])
  second = model(tokens[:, 4:], first.state)
  np.testing.assert_allclose(
    jnp.concatenate([first.features, second.features], 1),
    whole.features,
    atol=1e-6,  # float32 rounding of values near 0.1
  )


def test_no_position_sees_its_future(tokens):
  model = make()
  changed = tokens.copy()
  changed[:, 5:] = (changed[:, 5:] + 1) % V
  before, after = model(tokens).logits(), model(changed).logits()
  np.testing.assert_array_equal(before[:, :5], after[:, :5])
  assert np.abs(before[:, 5:] - after[:, 5:]).min(-1).max() > 0


def test_dropout_needs_keys_and_a_rate(tokens):
  plain, noisy = make(), make(rates=Dropout(output=0.5))
  keys = noise_keys(jax.random.key(1), np.arange(3))
  expected = plain(tokens).features
  np.testing.assert_array_equal(noisy(tokens).features, expected)
  np.testing.assert_array_equal(plain(tokens, keys=keys).features, expected)
  dropped = noisy(tokens, keys=keys).features
  assert 0.3 < float((dropped == 0).mean()) < 0.7
  np.testing.assert_array_equal(noisy(tokens, keys=keys).features, dropped)
  other = noisy(tokens, keys=noise_keys(jax.random.key(2), np.arange(3)))
  assert (other.features != dropped).any()


def test_gradient_reaches_every_parameter(tokens):
  structure, params = nnx.split(make())

  def loss(params):
    return nnx.merge(structure, params)(tokens[:, :-1]).nll(tokens[:, 1:]).sum()

  for leaf in jax.tree.leaves(jax.grad(loss)(params)):
    assert float(jnp.abs(leaf).max()) > 0
