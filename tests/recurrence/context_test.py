"""A context: what every step of a recurrence reads alike, and its gradient."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import assert_close, slow_but

from lstm_jax import (
  GRU,
  LSTM,
  Dropout,
  MinLSTM,
  Noise,
  Options,
  Stack,
  bidirectional,
  noise_keys,
  unroll,
)
from lstm_jax.cells.attending import (
  AttendingLSTM,
  AttendingState,
  attention_memory,
)

B, T, S, D, H, M = 3, 7, 4, 6, 5, 3
CELLS = {
  "before": AttendingLSTM(H, memory_size=M, key_size=4, before=True),
  "after": AttendingLSTM(H, memory_size=M, score="general"),
}
WAYS = [
  Options(),
  Options(chunk=3),
  Options(memory="sqrt"),
  Options(backward="autodiff"),
  Options(memory="sqrt", backward="autodiff"),
]


def problem(cell, seed=0, b=B):
  """Parameters, inputs, state and memory in float64."""
  normal = np.random.default_rng(seed).standard_normal
  params, state = jax.tree.map(
    lambda a: normal(a.shape) / 2,
    (cell.init(jax.random.key(0), D), cell.initial_state(b)),
  )
  memory = attention_memory(
    normal((b, S, cell.key_size or H)), normal((b, S, M)), None
  )
  return params, normal((b, T, D)), state, memory


def arguments():
  rng = np.random.default_rng(7)
  return {
    "mask": rng.random((B, T)) < 0.7,
    "reset": rng.random((B, T)) < 0.2,
    "reverse": True,
    "noise": Noise(
      recurrent=rng.random((B, 1, H + M)),
      step=rng.random((B, T, H)),
      hold=AttendingState(
        h=rng.random((B, T, H)),
        c=rng.random((B, 1, H)),
        read=rng.random((B, T, M)),
      ),
    ),
  }


def gradients(cell, options, params, x, state, memory, **arguments):
  """Of a random function of all outputs and states, for each argument."""

  def loss(*inputs):
    *inputs, memory = inputs
    out = unroll(cell, *inputs, context=memory, options=options, **arguments)
    return sum(
      (jnp.cos(jnp.arange(a.size)) * a.ravel()).sum()
      for a in jax.tree.leaves(out)
    )

  return jax.value_and_grad(loss, (0, 1, 2, 3))(params, x, state, memory)


@pytest.mark.parametrize("options", WAYS[1:], ids=str)
@pytest.mark.parametrize("name", slow_but(CELLS, ["before"]))
def test_every_way_gives_the_context_its_gradient(x64, name, options):
  cell = CELLS[name]
  expected, found = (
    jax.jit(functools.partial(gradients, cell, way, **arguments()))(
      *problem(cell)
    )
    for way in (WAYS[0], options)
  )
  assert_close(found, expected, 1e-12)
  assert all(np.abs(g).max() > 1e-3 for g in jax.tree.leaves(found[1][3]))


@pytest.mark.parametrize("trials", slow_but([2, 8], [8]))
def test_trials_side_by_side_have_their_own_contexts(x64, trials):
  cell = CELLS["after"]
  alone = [problem(cell, seed, 1) for seed in range(trials)]
  together = jax.tree.map(lambda *a: jnp.stack(a), *alone)
  run = functools.partial(gradients, cell, Options())
  found = jax.jit(jax.vmap(run))(*together)
  for number in (0, trials - 1):
    expected = run(*alone[number])
    assert_close(jax.tree.map(lambda a: a[number], found), expected, 1e-12)


def test_a_contexts_gradient_has_its_own_type():
  cell = CELLS["after"]
  params, x, state, memory = jax.tree.map(np.float32, problem(cell))
  narrow = jax.tree.map(lambda a: jnp.asarray(a, jnp.bfloat16), memory)
  with jax.numpy_dtype_promotion("strict"):
    value, grads = gradients(cell, Options(), params, x, state, narrow)
  exact, _ = gradients(cell, Options(), params, x, state, memory)
  assert {g.dtype for g in grads[3]} == {jnp.dtype("bfloat16")}
  np.testing.assert_allclose(value, exact, rtol=0.1)


def test_both_directions_and_layers_that_attend_read_the_context():
  attending = AttendingLSTM(4, memory_size=M)
  cells = [LSTM(4), attending, GRU(3)]
  stack = Stack(cells, D, rngs=nnx.Rngs(0))
  x = jax.random.normal(jax.random.key(0), (B, T, D))
  memory = attention_memory(
    jax.random.normal(jax.random.key(1), (B, S, 4)),
    jax.random.normal(jax.random.key(2), (B, S, M)),
  )
  y, _ = stack(x, context=memory)
  expected = x
  for cell, layer in zip(cells, stack.layers):
    params = {name: p[...] for name, p in layer.items()}
    here = {"context": memory} if cell is attending else {}
    expected, _ = unroll(cell, params, expected, **here)
  assert_close(y, expected, 1e-6)
  both = Stack([attending], D, bidirectional=True, rngs=nnx.Rngs(0))
  pair = tuple({n: p[...] for n, p in way.items()} for way in both.layers[0])
  expected, _ = bidirectional((attending, attending), pair, x, context=memory)
  assert_close(both(x, context=memory)[0], expected, 1e-6)


def test_a_layer_that_attends_takes_every_noise():
  rates = Dropout(recurrent=0.3, cell_input=0.3, weight=0.3, zoneout_h=0.3)
  cell = AttendingLSTM(H, memory_size=M, key_size=4)
  quiet, noisy = (
    Stack([cell], D, rates=r, rngs=nnx.Rngs(0)) for r in (Dropout(), rates)
  )
  _, x, _, memory = jax.tree.map(np.float32, problem(cell))
  keys = noise_keys(jax.random.key(0), jnp.arange(B))
  found, plain = (s(x, keys=keys, context=memory)[0] for s in (noisy, quiet))
  assert np.isfinite(found).all() and (found != plain).any()


def call(cell, **arguments):
  params = cell.init(jax.random.key(0), D)
  return lambda: unroll(cell, params, np.ones((B, T, D)), **arguments)


MEMORY = attention_memory(np.ones((B, S, 4)), np.ones((B, S, M)))
CELL = CELLS["before"]
STACK = Stack([LSTM(3), GRU(3)], D, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
  "run, message",
  [
    (call(LSTM(H), context=MEMORY), "context: LSTM takes none, got Attention"),
    (call(CELL), "context: AttendingLSTM needs one, got None"),
    (call(CELL, context=()), r"context: AttendingLSTM needs one, got \(\)"),
    (
      call(CELL, context=MEMORY._replace(bias=np.ones((B, S), bool))),
      r"context must be floating-point arrays \[3, ...\], got bool\(3, 4\)",
    ),
    (
      call(CELL, context=MEMORY._replace(keys=np.ones((2, S, 4)))),
      r"context must be floating-point arrays \[3, ...\], got float64\(2, 4, 4",
    ),
    (call(CELL, context=MEMORY._replace(bias=1.0)), r"\[3, ...\], got float64"),
    (
      lambda: STACK(np.ones((B, T, D)), context=MEMORY),
      "context: no layer takes one, got AttentionMemory",
    ),
    (
      call(CELL, context=MEMORY, options=Options(engine="cudnn")),
      'engine="cudnn" cannot serve this call: it has no context',
    ),
    (
      call(MinLSTM(H), context=MEMORY, options=Options(engine="parallel")),
      "context: MinLSTM takes none",
    ),
  ],
)
def test_a_wrong_context_is_named(unchecked, run, message):
  with pytest.raises(ValueError, match=message):
    run()


def scans(jaxpr):
  """Every scan over the time steps."""
  for equation in jaxpr.eqns:
    if equation.primitive.name == "scan" and equation.params["length"] == T:
      yield equation
    for value in equation.params.values():
      inner = getattr(value, "jaxpr", value)
      if hasattr(inner, "eqns"):
        yield from scans(inner)


def test_without_a_context_the_scans_read_and_carry_nothing_more():
  cell = LSTM(H)
  params, x = cell.init(jax.random.key(0), D), jnp.ones((B, T, D))

  def loss(params, x):
    return unroll(cell, params, x, context=None)[0].sum()

  jaxpr = jax.make_jaxpr(jax.grad(loss, (0, 1)))(params, x).jaxpr
  forwards, backwards = (
    ([a.aval.shape for a in scan.invars], [a.aval.shape for a in scan.outvars])
    for scan in scans(jaxpr)
  )
  h, all_h, z = (B, H), (T, B, H), (T, B, 4 * H)
  w_h, transposed, gate_columns = (H, 4 * H), (4 * H, H), (4 * H,)
  assert forwards == ([w_h, h, h, z], [h, h, all_h, all_h, all_h, z])
  assert backwards == (
    [gate_columns, transposed, h, h, all_h, all_h, all_h, z],
    [h, h, z],
  )
