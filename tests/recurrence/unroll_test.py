"""Masks, resets, directions, noise and memory: identities of `unroll`."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close, slow_but
from hypothesis import given, settings
from hypothesis import strategies as st
from lstm_problems import B, H, T, problem

from lstm_jax import (
  LSTM,
  LSTMState,
  Noise,
  Options,
  bidirectional,
  length_mask,
  unroll,
)

CELL = LSTM(H)
WAYS = [
  Options(),
  Options(chunk=3),
  Options(memory="sqrt"),
  Options(backward="autodiff"),
  Options(memory="sqrt", backward="autodiff"),
]


def flags(seed, probability=0.6):
  return np.random.default_rng(seed).random((B, T)) < probability


def value_and_gradients(options, dtype, **arguments):
  """Outputs, final state, and gradients of a random linear function of them."""
  cast = functools.partial(
    jax.tree.map,
    lambda a: np.asarray(a, dtype) if np.asarray(a).dtype == float else a,
  )
  params, x, state, cotangents = cast(problem())
  reverse = arguments.pop("reverse", False)

  @jax.jit
  def run(params, x, state, arguments):
    out, vjp = jax.vjp(
      lambda *inputs: unroll(
        CELL, *inputs, options=options, reverse=reverse, **arguments
      ),
      *(params, x, state),
    )
    return out, vjp(cotangents)

  return run(params, x, state, cast(arguments))


ARGUMENTS = {
  "mask": lambda: {"mask": flags(1)},
  "reset": lambda: {"reset": flags(2, 0.3)},
  "reverse": lambda: {"reverse": True},
  "all": lambda: {
    "mask": flags(1),
    "reset": flags(2, 0.3),
    "reverse": True,
    "noise": Noise(
      recurrent=np.random.default_rng(3).random((B, 1, H)),
      step=np.random.default_rng(4).random((B, T, H)),
      hold=LSTMState(
        h=np.random.default_rng(5).random((B, T, H)),
        c=np.random.default_rng(6).random((B, 1, H)),
      ),
    ),
  },
}


@pytest.mark.parametrize("name", slow_but(ARGUMENTS, ["all"]))
def test_every_way_of_computing_agrees(x64, name):
  expected = value_and_gradients(Options(), np.float64, **ARGUMENTS[name]())
  for options in WAYS[1:]:
    found = value_and_gradients(options, np.float64, **ARGUMENTS[name]())
    assert_close(found, expected, 1e-12)


def test_float32_ways_agree_to_rounding():
  arguments = ARGUMENTS["all"]
  expected = value_and_gradients(Options(), np.float32, **arguments())
  assert expected[0][0].dtype == np.float32
  for options in WAYS[1:]:
    found = value_and_gradients(options, np.float32, **arguments())
    assert_close(found, expected, 5e-6)


def test_a_masked_step_keeps_the_state_and_outputs_zero(x64):
  params, x, state, _ = problem()
  mask = flags(1)
  assert mask.any() and not mask.all()
  y, final = unroll(CELL, params, x, state, mask=mask)
  np.testing.assert_array_equal(y[~mask], 0.0)
  for row in range(B):  # the same as the shorter sequence
    kept = x[row : row + 1, mask[row]]
    before = jax.tree.map(lambda s: s[row : row + 1], state)
    short, end = unroll(CELL, params, kept, before)
    assert_close(y[row][mask[row]], short[0], 1e-14)
    assert_close(
      jax.tree.map(lambda s: s[row], final),
      jax.tree.map(lambda s: s[0], end),
      1e-14,
    )


def test_what_is_masked_has_no_influence(x64):
  params, x, state, _ = problem()
  mask = flags(1)
  garbage = np.where(mask[:, :, None], x, np.nan)

  def loss(x, params):
    y, final = unroll(CELL, params, x, state, mask=mask)
    return (y**2).sum() + final.c.sum()

  clean, dirty = (
    jax.value_and_grad(loss, (0, 1))(a, params) for a in (x, garbage)
  )
  assert_close(dirty, clean, 0.0)
  np.testing.assert_array_equal(clean[1][0][~mask], 0.0)


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_of_length_zero_keep_everything(x64, reverse):
  params, x, state, _ = problem()
  mask = length_mask(jnp.array([0, T, 3]), T)
  y, final = unroll(CELL, params, x, state, mask=mask, reverse=reverse)
  np.testing.assert_array_equal(y[0], 0.0)
  np.testing.assert_array_equal(final.c[0], state.c[0])
  assert not np.array_equal(final.c[1], state.c[1])


def test_a_reset_is_a_fresh_state_and_stops_the_gradient(x64):
  params, x, state, _ = problem()
  reset = np.zeros((B, T), bool)
  reset[1, 3] = True
  y, final = unroll(CELL, params, x, state, reset=reset)
  first, _ = unroll(
    CELL, params, x[1:2, :3], jax.tree.map(lambda s: s[1:2], state)
  )
  second, end = unroll(CELL, params, x[1:2, 3:])
  assert_close(y[1], jnp.concatenate([first, second], 1)[0], 1e-14)
  assert_close(final.c[1], end.c[0], 1e-14)

  def after(x, state):
    y, _ = unroll(CELL, params, x, state, reset=reset)
    return (y[:, 3:] ** 2).sum()

  dx, dstate = jax.grad(after, (0, 1))(x, state)
  np.testing.assert_array_equal(dx[1, :3], 0.0)
  np.testing.assert_array_equal(dstate.c[1], 0.0)
  assert np.abs(dx[0, :3]).min() > 0 and np.abs(dstate.c[0]).min() > 0


def test_reverse_of_reverse(x64):
  params, x, state, _ = problem()
  y, final = unroll(CELL, params, x[:, ::-1], state)
  z, end = unroll(CELL, params, x, state, reverse=True)
  assert_close(z, y[:, ::-1], 1e-14)
  assert_close(end, final, 1e-14)


def test_backwards_every_document_starts_at_its_own_end(x64):
  params, x, _, _ = problem()
  reset = np.zeros((B, T), bool)
  reset[:, [0, 2, 5]] = True
  y, _ = unroll(CELL, params, x, reset=reset, reverse=True)
  for start, stop in ((0, 2), (2, 5), (5, T)):
    part, _ = unroll(CELL, params, x[:, start:stop], reverse=True)
    assert_close(y[:, start:stop], part, 1e-14)


@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(0, T), min_size=B, max_size=B))
def test_bidirectional_is_two_runs_inside_each_length(lengths):
  with jax.enable_x64(True):
    params, x, _, _ = problem()
    other, _, _, _ = problem(9)
    mask = length_mask(np.array(lengths), T)
    y, _ = bidirectional((CELL, CELL), (params, other), x, mask=mask)
    assert y.shape == (B, T, 2 * H)
    for row, n in enumerate(lengths):
      np.testing.assert_array_equal(y[row, n:], 0.0)
      if n:
        piece = x[row : row + 1, :n]
        forth, _ = unroll(CELL, params, piece)
        back, _ = unroll(CELL, other, piece[:, ::-1])
        both = jnp.concatenate([forth, back[:, ::-1]], -1)[0]
        assert_close(y[row, :n], both, 1e-14)


def test_noise(x64):
  params, x, state, _ = problem()
  plain = unroll(CELL, params, x, state)
  ones = Noise(
    recurrent=np.ones((B, 1, H)),
    step=np.ones((B, T, H)),
    hold=LSTMState(np.zeros((B, 1, H)), np.zeros((B, T, H))),
  )
  assert_close(unroll(CELL, params, x, state, noise=ones), plain, 1e-15)
  # The same factor at every step, said once or at every step.
  factor = np.random.default_rng(0).random((B, 1, H))
  once = unroll(CELL, params, x, state, noise=Noise(recurrent=factor))
  always = Noise(recurrent=np.broadcast_to(factor, (B, T, H)))
  assert_close(unroll(CELL, params, x, state, noise=always), once, 1e-15)
  # No recurrent input: every step by itself, but for the cell state.
  alone = unroll(CELL, params, x, state, noise=Noise(recurrent=0 * factor))
  cut = unroll(CELL, params | {"w_h": 0 * params["w_h"]}, x, state)
  assert_close(alone, cut, 1e-15)
  # Holding everything is masking everything.
  held = Noise(hold=LSTMState(np.ones((B, 1, H)), np.ones((B, 1, H))))
  assert_close(unroll(CELL, params, x, state, noise=held)[1], state, 1e-15)
  # Without a cell input the cell state only decays.
  _, final = unroll(CELL, params, x, state, noise=Noise(step=0 * factor))
  assert (np.abs(final.c) < np.abs(state.c)).all()


def test_wrong_flags_are_named():
  params, x, state, _ = problem()
  for name in ("mask", "reset"):
    with pytest.raises(
      ValueError, match=rf"{name} must be \(3, 7\), got \(3, 6\)"
    ):
      inspect.unwrap(unroll)(
        CELL, params, x, state, **{name: np.ones((B, 6), bool)}
      )
  with pytest.raises(ValueError, match="memory must be one of"):
    Options(memory="half")


def temporaries(options, time):
  """Bytes of a gradient's program besides its arguments and results."""
  cell, shape = LSTM(128), jax.ShapeDtypeStruct
  params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 32))

  def gradients(params, x, dy):
    y, vjp = jax.vjp(lambda *a: unroll(cell, *a, options=options)[0], params, x)
    return y, vjp(dy)

  x, dy = (shape((16, time, width), jnp.float32) for width in (32, 128))
  compiled = jax.jit(gradients).lower(params, x, dy).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def test_sqrt_memory_needs_far_less():
  """It grows with the root of the sequence's length."""
  full, sqrt = (temporaries(Options(memory=m), 4096) for m in ("full", "sqrt"))
  assert sqrt < full / 15, (full, sqrt)
