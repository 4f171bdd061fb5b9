"""Arguments of `unroll` and of what stands on it: what is promoted, sequences
of nothing, and states that can be donated."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import slow_but

from lstm_jax import (
  GRU,
  LSTM,
  Dropout,
  GreffLSTM,
  LanguageModel,
  LSTMState,
  Noise,
  Options,
  SequenceModel,
  Stack,
  noise_keys,
  unroll,
)
from lstm_jax.cells.conv_lstm import ConvLSTM
from lstm_jax.cells.registry import CELLS

B, T, D, H = 3, 4, 2, 4
CELL = LSTM(H)
PARAMS = CELL.init(jax.random.key(0), D)
X = np.random.default_rng(0).standard_normal((B, T, D)).astype(np.float32)
STATE = LSTMState(np.ones((B, H), np.float32), np.ones((B, H), np.float32))


def make(name):
  if name == "conv_lstm":
    return ConvLSTM(H, image_size=(3, 2))
  if name == "projection":
    return CELLS[name](H, projection_size=2)
  return CELLS[name](H)


EVERY_CELL = slow_but(CELLS, ["lstm", "mogrifier", "matrix_lstm", "conv_lstm"])
OPTIONS = [
  Options(),
  Options(engine="scan"),
  Options(chunk=2),
  Options(memory="sqrt"),
  Options(backward="autodiff"),
]


def same(found, expected):
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", EVERY_CELL)
def test_booleans_and_integers_are_numbers(name):
  cell = make(name)
  shape = (B, T, *getattr(cell, "image_size", ()), D)
  x = np.random.default_rng(0).integers(0, 2, shape)
  params = cell.init(jax.random.key(0), D)
  for options in OPTIONS[:1]:
    expected = unroll(cell, params, x.astype(np.float32), options=options)
    assert expected[0].dtype == jnp.float32
    for kind in (bool, np.uint8, np.int64):
      same(unroll(cell, params, x.astype(kind), options=options), expected)
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    same(unroll(cell, params, x.astype(np.float64)), expected)
  if name == "lstm":
    same(unroll(cell, params, x.tolist()), expected)
    narrow = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    assert unroll(cell, narrow, x)[0].dtype == jnp.bfloat16


def test_images_are_not_rounded_away():
  cell = make("conv_lstm")
  params = cell.init(jax.random.key(0), D)
  x = np.random.default_rng(0).integers(0, 256, (B, T, 3, 2, D), np.uint8)
  y, _ = unroll(cell, params, x)
  assert np.abs(y).max() > 0.5
  same(y, unroll(cell, params, x.astype(np.float32))[0])


@pytest.mark.parametrize("name", EVERY_CELL)
@pytest.mark.parametrize("batch, time", [(0, T), (B, 0)])
def test_no_row_and_no_step(name, batch, time):
  cell = make(name)
  image = getattr(cell, "image_size", ())
  params = cell.init(jax.random.key(0), D)
  state = jax.tree.map(jnp.ones_like, cell.initial_state(batch))
  flags = {"mask": np.ones((batch, time), bool)}
  flags |= {"reset": np.ones((batch, time), bool), "reverse": True}
  for options in OPTIONS:

    def loss(params, x, state):
      y, end = unroll(cell, params, x, state, options=options, **flags)
      assert y.shape == (batch, time, *image, cell.output_size)
      same(end, state)
      return y.sum() + sum(leaf.sum() for leaf in jax.tree.leaves(end))

    x = jnp.zeros((batch, time, *image, D))
    y, _ = unroll(cell, params, x, state, options=options, return_states=True)
    assert jax.tree.structure(y) == jax.tree.structure(state)
    end = unroll(cell, params, x, state, options=options)[1]
    same(end, state)
  grads = jax.grad(
    lambda p: unroll(cell, p, x, state, **flags)[0].sum(),
  )(params)
  assert not any(g.any() for g in grads.values())


def test_models_of_no_row_and_no_step():
  heads = [{}, {"rates": Dropout(output=0.5)}]
  for options in heads:
    model = LanguageModel(
      [LSTM(H)],
      vocabulary_size=5,
      embedding_size=3,
      rngs=nnx.Rngs(0),
      **options,
    )
    for shape in ((0, T), (B, 0)):
      keys = noise_keys(jax.random.key(0), jnp.arange(shape[0]))
      output = model(np.zeros(shape, int), keys=keys)
      assert output.nll(np.zeros(shape, int)).shape == shape


def test_flags_of_integers_and_lists():
  mask = np.array([[1, 1, 1, 0], [1, 0, 1, 1], [0, 0, 0, 0]], bool)
  for name in ("mask", "reset"):
    expected = unroll(CELL, PARAMS, X, **{name: mask})
    for value in (
      mask.astype(np.int32),
      jnp.asarray(mask, jnp.uint8),
      mask.tolist(),
      mask.astype(int).tolist(),
    ):
      same(unroll(CELL, PARAMS, X, **{name: value}), expected)


def test_states_of_other_types():
  """The state counts in the widest type, and its own gradient has its own."""
  narrow = jax.tree.map(lambda s: jnp.asarray(s, jnp.bfloat16), STATE)
  expected = unroll(CELL, PARAMS, X, STATE)
  same(unroll(CELL, PARAMS, X, narrow), expected)
  same(unroll(CELL, PARAMS, X, jax.tree.map(np.float64, STATE)), expected)
  with jax.enable_x64(True):
    y, end = unroll(CELL, PARAMS, X, jax.tree.map(np.float64, STATE))
    assert y.dtype == jnp.float32 and end.c.dtype == jnp.float64


def test_noise_of_booleans():
  keep = np.random.default_rng(0).integers(0, 2, (B, 1, H)).astype(bool)
  for name in ("recurrent", "step"):
    expected = unroll(CELL, PARAMS, X, noise=Noise(**{name: np.float32(keep)}))
    same(unroll(CELL, PARAMS, X, noise=Noise(**{name: keep})), expected)
  same(unroll(CELL, PARAMS, X, noise=None), unroll(CELL, PARAMS, X))


NUMBERS = SequenceModel(
  [LSTM(H)], input_size=D, output_size=3, symbols=False, rngs=nnx.Rngs(0)
)


def test_layers_read_symbols_and_booleans():
  x = np.random.default_rng(0).integers(0, D, (B, T))
  one_hot = np.eye(D, dtype=bool)[x]
  for options in ({"bidirectional": True}, {"residual": True}):
    stack = Stack([LSTM(D), GRU(D)], D, rngs=nnx.Rngs(0), **options)
    expected = stack(one_hot.astype(np.float32))
    same(stack(one_hot), expected)
    for a, b in zip(*map(jax.tree.leaves, (stack(x), expected))):
      np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
  noisy = Stack([GRU(H)], D, rates=Dropout(input=0.5), rngs=nnx.Rngs(0))
  keys = noise_keys(jax.random.key(0), np.arange(B))
  expected = noisy(one_hot.astype(np.float32), keys=keys)
  same(noisy(one_hot, keys=keys), expected)
  same(noisy(x, keys=keys), expected)
  same(
    NUMBERS(one_hot).likelihood.z,
    NUMBERS(one_hot.astype(np.float32)).likelihood.z,
  )


@pytest.mark.parametrize("name", CELLS)
def test_initial_states_can_be_donated(name):
  donate = jax.jit(
    lambda state: jax.tree.map(lambda a: a + 1, state), donate_argnums=0
  )
  state = make(name).initial_state(2)
  assert len({id(leaf) for leaf in state}) == len(state)
  donate(state)


def test_initial_states_of_layers_can_be_donated():
  donate = jax.jit(
    lambda state: jax.tree.map(lambda a: a + 1, state), donate_argnums=0
  )
  cells = [LSTM(H), GreffLSTM(H, variant="FGR")]
  for both in (False, True):
    stack = Stack(cells, D, bidirectional=both, rngs=nnx.Rngs(0))
    donate(stack.initial_state(2))
