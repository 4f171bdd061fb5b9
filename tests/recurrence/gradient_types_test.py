"""Every gradient has the type of what it is the gradient of, and nothing is
promoted without being asked to."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cell_problems import CASES, pixels, problem
from flax import nnx
from helpers import slow_but

from lstm_jax import (
  GRU,
  LSTM,
  Dropout,
  Head,
  LanguageModel,
  Options,
  Stack,
  noise_keys,
  unroll,
)

FLOATS = ("float32", "bfloat16", "float16", "float64")
EVERY = list(itertools.product(FLOATS, repeat=3))
# Types of inputs, parameters and state: each the widest, the narrowest, alone.
SOME = [
  ("float32", "bfloat16", "float32"),
  ("float32", "float32", "float64"),
  ("float64", "float32", "bfloat16"),
  ("bfloat16", "float16", "float32"),
  ("bfloat16", "bfloat16", "bfloat16"),
]
T = 5
FLAGS = {"mask": np.ones((2, T), bool), "reset": np.zeros((2, T), bool)}
WAYS = [
  (2, {"options": Options(engine="scan", chunk=3)}),
  (2, {"reverse": True} | FLAGS),
  (2, {"options": Options(memory="sqrt")} | FLAGS),
  (2, {"options": Options(backward="autodiff")}),
  (1, {"options": Options(engine="scan")}),  # sums in place of products
]


def gradient_types(name, types, batch, arguments):
  """(wanted, found) types and shapes of all gradients, under strict rules."""
  cell, _ = CASES[name]
  d = 3
  params, state = jax.eval_shape(
    lambda: (cell.init(jax.random.key(0), d), cell.initial_state(batch))
  )
  x = jax.ShapeDtypeStruct((batch, T, *pixels(cell), d), "float32")
  wanted = tuple(
    jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, kind), tree)
    for kind, tree in zip(types, (x, params, state))
  )

  def loss(x, params, state):
    y, end = unroll(cell, params, x, state, **arguments)
    assert y.dtype == types[0]
    leaves = [y, *jax.tree.leaves(end)]
    return sum(jnp.sin(a.astype(jnp.float32)).sum() for a in leaves)

  with jax.numpy_dtype_promotion("strict"):
    found = jax.eval_shape(jax.grad(loss, (0, 1, 2)), *wanted)
  return [
    [(a.shape, a.dtype) for a in jax.tree.leaves(tree)]
    for tree in (wanted, found)
  ]


@pytest.mark.parametrize("name", slow_but(CASES, ["lstm", "gru", "conv_lstm"]))
def test_gradients_have_their_own_types(x64, name):
  for types in SOME:
    for batch, arguments in WAYS:
      wanted, found = gradient_types(name, types, batch, arguments)
      assert found == wanted, (types, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_triple_of_types(x64, name):
  for types in EVERY:
    wanted, found = gradient_types(name, types, *WAYS[2])
    assert found == wanted, types


@pytest.mark.parametrize("name", slow_but(CASES, ["lstm", "slstm"]))
@pytest.mark.parametrize("types", slow_but(SOME, SOME[:1]))
def test_mixed_types_equal_autodiff(x64, name, types):
  cell, _ = CASES[name]
  params, x, state = problem(cell)
  arguments = tuple(
    jax.tree.map(lambda a: jnp.asarray(a, kind), tree)
    for kind, tree in zip(types, (x, params, state))
  )

  def gradients(backward):
    options = Options(engine="scan", chunk=4, backward=backward)

    @jax.jit
    def run(x, params, state):
      def loss(*arguments):
        x, params, state = arguments
        y, end = unroll(cell, params, x, state, options=options)
        leaves = [y, *jax.tree.leaves(end)]
        return sum(jnp.sin(a.astype(jnp.float64)).sum() for a in leaves)

      return jax.grad(loss, (0, 1, 2))(x, params, state)

    with jax.numpy_dtype_promotion("strict"):
      return run(*arguments)

  fused, autodiff = map(gradients, ("fused", "autodiff"))
  for a, b in zip(jax.tree.leaves(fused), jax.tree.leaves(autodiff)):
    assert a.dtype == b.dtype
    a, b = np.asarray(a, float), np.asarray(b, float)
    # Some products of 8 bits, rounded in another order.
    assert np.abs(a - b).max() <= 0.04 * max(np.abs(b).max(), 0.1)


def test_parameters_of_bfloat16_stay_it():
  """What an optimiser does in a scan."""
  cell = LSTM(4)
  params = cell.init(jax.random.key(0), 3)
  params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
  x = jax.random.normal(jax.random.key(1), (2, T, 3))

  def update(params, _):
    g = jax.grad(lambda p: (unroll(cell, p, x)[0] ** 2).sum())(params)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, g), None

  after, _ = jax.lax.scan(update, params, None, 2)
  assert not np.array_equal(after["w_h"], params["w_h"])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_layers_and_models_promote_nothing(dtype):
  keys = noise_keys(jax.random.key(0), jnp.arange(2))
  cells = [LSTM(4), LSTM(4)]
  stack = Stack(
    cells,
    4,
    rates=Dropout(0.1, 0.1, 0.1, recurrent=0.1, cell_input=0.1, zoneout_c=0.1),
    residual=True,
    output_norm=True,
    bidirectional=True,
    rngs=nnx.Rngs(0),
  )
  heads = (Head(), Head(tied=True), Head(experts=2), Head(cutoffs=(3,)))
  models = [
    LanguageModel(
      [LSTM(4), GRU(4)],
      vocabulary_size=7,
      embedding_size=4,
      head=head,
      dtype=dtype,
      rates=Dropout(embedding=0.1, output=0.1),
      rngs=nnx.Rngs(0),
    )
    for head in heads
  ]
  x = jax.ShapeDtypeStruct((2, T, 4), dtype)
  tokens = jax.ShapeDtypeStruct((2, T), "int32")
  with jax.numpy_dtype_promotion("strict"):
    y, _ = jax.eval_shape(lambda x: stack(x, keys=keys), x)
    assert y.dtype == dtype
    for model in models:
      structure, params = nnx.split(model)

      def loss(params, tokens):
        output = nnx.merge(structure, params)(tokens, keys=keys)
        return output.nll(tokens).sum() + output.logits().sum()

      jax.eval_shape(jax.grad(loss), params, tokens)
