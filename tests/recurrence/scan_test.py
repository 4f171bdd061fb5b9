"""The scan and its hand-written backward pass against the oracle."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from helpers import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from lstm_problems import H, problem

from lstm_jax import LSTM, LSTMState, Options, unroll


def scan_value_and_vjp(options, params, x, state, cotangents):
  cell = LSTM(state.h.shape[-1])

  @jax.jit
  def run(params, x, state):
    out, vjp = jax.vjp(
      lambda *arguments: unroll(cell, *arguments, options=options),
      *(params, x, state),
    )
    return out, vjp(cotangents)

  return run(params, x, state)


def oracle_value_and_vjp(params, x, state, cotangents):
  y, h, c, tape = reference_lstm.forward(params, x, state.h, state.c)
  dy, dstate = cotangents
  grads, dx, dh, dc = reference_lstm.backward(
    params, tape, dy, dstate.h, dstate.c
  )
  return (y, LSTMState(h, c)), (grads, dx, LSTMState(dh, dc))


def test_oracle_gradients_are_finite_differences():
  params, x, state, (dy, dstate) = problem()

  def loss(params, x, state):
    y, h, c, _ = reference_lstm.forward(params, x, *state)
    return (y * dy).sum() + (h * dstate.h).sum() + (c * dstate.c).sum()

  _, grads = oracle_value_and_vjp(params, x, state, (dy, dstate))
  arguments = (params, x, state)
  step = 1e-6
  for leaf, grad in zip(
    jax.tree.leaves(arguments), jax.tree.leaves(grads), strict=True
  ):
    for index in np.ndindex(leaf.shape):
      before = leaf[index]
      leaf[index] = before + step
      up = loss(*arguments)
      leaf[index] = before - step
      down = loss(*arguments)
      leaf[index] = before
      # Central differences are exact to O(step^2) and to rounding / step.
      assert abs((up - down) / (2 * step) - grad[index]) < 1e-7


@pytest.mark.parametrize(
  "backward, chunk",
  [("fused", 0), ("fused", 1), ("fused", 3), ("fused", 16), ("autodiff", 3)],
)
def test_values_and_gradients_equal_the_oracle(x64, backward, chunk):
  # 1e-12: the same sums in another order, some 100 roundings of 1e-16 each.
  options = Options(chunk=chunk, backward=backward)
  ours = scan_value_and_vjp(options, *problem())
  assert_close(ours, oracle_value_and_vjp(*problem()), 1e-12)


@pytest.mark.parametrize("chunk", [0, 3])
def test_float32_is_accurate_to_rounding(chunk):
  arguments = jax.tree.map(np.float32, problem())
  ours = scan_value_and_vjp(Options(chunk=chunk), *arguments)
  assert ours[0][0].dtype == jnp.float32
  # 5e-6: some 40 float32 roundings of 6e-8 over the steps.
  assert_close(ours, oracle_value_and_vjp(*problem()), 5e-6)


@settings(max_examples=8, deadline=None)
@given(
  b=st.integers(1, 4),
  t=st.integers(1, 9),
  d=st.integers(1, 4),
  h=st.integers(1, 4),
  chunk=st.integers(0, 10),
)
def test_any_shape(b, t, d, h, chunk):
  with jax.enable_x64(True):
    arguments = problem(1, b, t, d, h)
    ours = scan_value_and_vjp(Options(chunk=chunk), *arguments)
    assert_close(ours, oracle_value_and_vjp(*arguments), 1e-12)


def test_two_windows_equal_one_sequence(x64):
  params, x, state, _ = problem()
  cell = LSTM(H)
  whole, final = unroll(cell, params, x, state)
  first, between = unroll(cell, params, x[:, :3], state)
  second, last = unroll(cell, params, x[:, 3:], between)
  assert_close(jnp.concatenate([first, second], 1), whole, 1e-14)
  assert_close(last, final, 1e-14)


def test_states_after_every_step(x64):
  params, x, state, _ = problem()
  states, final = unroll(LSTM(H), params, x, state, return_states=True)
  y, _ = unroll(LSTM(H), params, x, state)
  assert_close(states.h, y, 1e-15)
  assert_close(jax.tree.map(lambda a: a[:, -1], states), final, 1e-15)

  def loss(backward, params):
    states, _ = unroll(
      LSTM(H),
      params,
      x,
      state,
      return_states=True,
      options=Options(chunk=2, backward=backward),
    )
    return (states.c**2).sum() + states.h.sum()

  fused, autodiff = (
    jax.grad(functools.partial(loss, backward))(params)
    for backward in ("fused", "autodiff")
  )
  assert_close(fused, autodiff, 1e-12)


def test_autodiff_goes_forwards_and_twice(x64):
  params, x, state, _ = problem()

  def loss(params):
    y, _ = unroll(
      LSTM(H), params, x, state, options=Options(backward="autodiff")
    )
    return (y**2).sum()

  tangent = jax.tree.map(np.ones_like, params)
  _, forward = jax.jvp(loss, (params,), (tangent,))
  grads = jax.grad(loss)(params)
  backward = sum(g.sum() for g in jax.tree.leaves(grads))
  np.testing.assert_allclose(forward, backward, rtol=1e-12)
  hessian = jax.jvp(jax.grad(loss), (params,), (tangent,))[1]
  assert all(np.isfinite(h).all() for h in jax.tree.leaves(hessian))


def test_large_inputs_stay_finite():
  params, x, state, cotangents = jax.tree.map(np.float32, problem())
  out, grads = scan_value_and_vjp(Options(), params, x * 1e4, state, cotangents)
  assert all(np.isfinite(a).all() for a in jax.tree.leaves((out, grads)))


def test_the_second_call_does_not_compile_again():
  params, x, state, _ = jax.tree.map(np.float32, problem())
  traced = []

  @jax.jit
  def run(params, x, state):
    traced.append(None)
    return unroll(LSTM(H), params, x, state)

  _, state = run(params, x, state)
  run(params, x, state)
  assert len(traced) == 1


def test_wrong_inputs_are_named():
  params, x, state, _ = problem()
  with pytest.raises(ValueError, match="6 input features, got 3"):
    unroll(LSTM(H), params, x[:, :, :3], state)
  with pytest.raises(ValueError, match="batch, time, features"):
    # Without the type check that the tests switch on.
    inspect.unwrap(unroll)(LSTM(H), params, x[0], state)
  with pytest.raises(ValueError, match="chunk must be 0 or more"):
    Options(chunk=-1)
  with pytest.raises(ValueError, match="autodiff"):
    Options(backward="magic")
