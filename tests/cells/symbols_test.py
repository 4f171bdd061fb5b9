"""Integers as inputs are one-hot vectors, in every cell; out of range they are
refused where they are known, and inside jit the nearest symbol everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import slow_but

from lstm_jax import (
  LSTM,
  Dropout,
  Head,
  LanguageModel,
  Options,
  SequenceModel,
  Stack,
  length_mask,
  noise_keys,
  unroll,
)
from lstm_jax.cells.registry import CELLS
from lstm_jax.layers import adaptive_softmax, embedding, softmax
from lstm_jax.layers.adaptive_softmax import AdaptiveSoftmax
from lstm_jax.layers.heads import MixtureOfSoftmaxes, Softmax

B, T, V, H = 3, 5, 4, 6
WITHOUT = {"mogrifier", "conv_lstm"}  # no matrix w_x


def make(name):
  options = {"projection_size": 2} if name == "projection" else {}
  cell = CELLS[name](hidden_size=H, **options)
  return cell, cell.init(jax.random.key(0), V)


@pytest.mark.parametrize(
  "name",
  slow_but(
    sorted(CELLS.keys() - WITHOUT),
    ["lstm", "lstm_1997"],
  ),
)
def test_symbols_are_one_hot_vectors(name, x64):
  cell, params = make(name)
  params = jax.tree.map(lambda p: p.astype(jnp.float64), params)
  x = jax.random.randint(jax.random.key(1), (B, T), 0, V)
  mask = length_mask(np.array([5, 3, 1]), T)

  @jax.jit
  def value_and_gradient(params, x):
    def total(params):
      y, state = unroll(cell, params, x, mask=mask, options=Options(chunk=2))
      return sum(jnp.sin(leaf).sum() for leaf in jax.tree.leaves((y, state)))

    return jax.value_and_grad(total)(params)

  found = value_and_gradient(params, x)
  expected = value_and_gradient(params, jax.nn.one_hot(x, V, dtype="float64"))
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_a_cell_without_a_matrix_takes_none():
  cell, params = make("mogrifier")
  with pytest.raises(ValueError, match="takes no symbols here; give one-hot"):
    unroll(cell, params, jnp.zeros((B, T), jnp.int32))


# Out of range

WRONG = np.array([[-100, -1, 0, V, 300], [V + 1, 1, 2, 3, 2**31 - 1]])
NEAREST = WRONG.clip(0, V - 1)


def equal(found, expected):
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
  "name", slow_but(sorted(CELLS.keys() - WITHOUT), ["lstm"])
)
def test_the_nearest_symbol_inside_jit(name):
  cell, params = make(name)
  for options in (Options(), Options(backward="autodiff")):

    @jax.jit
    def run(params, x):
      def total(params):
        y, state = unroll(cell, params, x, options=options)
        return sum(jnp.sin(a).sum() for a in jax.tree.leaves((y, state)))

      return jax.value_and_grad(total)(params)

    equal(run(params, WRONG), run(params, NEAREST))
  with pytest.raises(ValueError, match="symbols from 0 to 3, got -100"):
    unroll(cell, params, WRONG)
  narrow = jnp.asarray(np.array([[0, 255]]), jnp.uint8)
  last = jax.jit(lambda x: unroll(cell, params, x))
  equal(last(narrow), last(np.array([[0, V - 1]])))


def test_masked_symbols_may_be_anything():
  cell, params = make("lstm")
  mask = WRONG == NEAREST
  found = unroll(cell, params, WRONG, mask=mask)
  equal(found, unroll(cell, params, NEAREST, mask=mask))
  model = LanguageModel(
    [LSTM(H)], vocabulary_size=V, embedding_size=3, rngs=nnx.Rngs(0)
  )
  found = model(WRONG, mask=mask).features
  equal(found, model(NEAREST, mask=mask).features)


@pytest.mark.parametrize(
  "options",
  [
    {"embedding_size": 3},
    {"embedding_size": 3, "options": Options(backward="autodiff")},
    {"embedding_size": 0},
    {"embedding_size": 0, "dtype": "bfloat16"},
    {"embedding_size": 0, "residual": True},
    {"embedding_size": 3, "head": Head(tied=True, project=True)},
    {"embedding_size": 3, "head": Head(experts=2)},
    {"embedding_size": 3, "head": Head(cutoffs=(2,))},
  ],
  ids=str,
)
def test_every_model_takes_the_nearest(options):
  model = LanguageModel(
    [LSTM(H)], vocabulary_size=V, rngs=nnx.Rngs(0), **options
  )
  structure, params = nnx.split(model)

  @jax.jit
  def run(params, inputs, targets):
    def loss(params):
      return nnx.merge(structure, params)(inputs).nll(targets).sum()

    return jax.value_and_grad(loss)(params)

  found = run(params, WRONG, WRONG)
  assert np.isfinite(found[0])
  equal(found, run(params, NEAREST, NEAREST))
  with pytest.raises(ValueError, match="inputs must be symbols from 0 to 3"):
    model(WRONG)
  with pytest.raises(ValueError, match="targets must be symbols from 0 to 3"):
    model(NEAREST).nll(WRONG)


def test_sequence_models_and_layers_take_the_nearest():
  for more in ({}, {"embedding_size": 2}, {"skip": True}, {"residual": True}):
    model = SequenceModel(
      [LSTM(H)],
      input_size=V,
      output_size=V,
      symbols=True,
      rngs=nnx.Rngs(0),
      **more,
    )
    structure, params = nnx.split(model)
    run = jax.jit(
      lambda p, x, y: (lambda o: (o.logits(), o.nll(y)))(
        nnx.merge(structure, p)(x)
      )
    )
    equal(run(params, WRONG, WRONG), run(params, NEAREST, NEAREST))
    with pytest.raises(ValueError, match="inputs must be symbols from 0 to 3"):
      model(WRONG)
    with pytest.raises(ValueError, match="targets must be symbols from 0 to 3"):
      model(NEAREST).nll(WRONG)
  keys = noise_keys(jax.random.key(0), jnp.arange(len(WRONG)))
  stack = Stack([LSTM(H)], V, rates=Dropout(input=0.5), rngs=nnx.Rngs(0))
  run = jax.jit(lambda x: stack(x, keys=keys))
  equal(run(WRONG), run(NEAREST))


def test_targets_and_tables_take_the_nearest():
  features = jax.random.normal(jax.random.key(0), (*WRONG.shape, H))
  w = jax.random.normal(jax.random.key(1), (H, V))
  b, prior = jnp.arange(float(V)), jnp.ones((H, 2))
  heads = [
    Softmax(w, b),
    Softmax(w, b, fused=False),
    MixtureOfSoftmaxes(w, b, prior, jnp.ones((H, 2 * H)), jnp.ones(2 * H)),
    AdaptiveSoftmax(adaptive_softmax.init(jax.random.key(2), H, V, (2,)), (2,)),
  ]
  for head in heads:
    nll = jax.jit(head.nll)
    equal(nll(features, WRONG), nll(features, NEAREST))
    assert np.isfinite(nll(features, WRONG)).all()
    for targets, message in (
      (WRONG, "from 0 to 3, got -100"),
      (NEAREST[:1], r"targets must be \(2, 5\), got \(1, 5\)"),
      (NEAREST / 1, "targets must be symbols, which are integers, got float64"),
    ):
      with pytest.raises(ValueError, match=message):
        head.nll(features, targets)
  losses = softmax.cross_entropy, softmax.plain_cross_entropy
  for loss in losses:
    run = jax.grad(lambda w, targets: loss(features, w, b, targets).sum())
    equal(run(w, jnp.asarray(WRONG)), run(w, jnp.asarray(NEAREST)))
  for lookup in (embedding.lookup, embedding.plain_lookup):
    run = jax.grad(lambda table, x: jnp.sin(lookup(table, x)).sum())
    equal(run(w.T, jnp.asarray(WRONG)), run(w.T, jnp.asarray(NEAREST)))
