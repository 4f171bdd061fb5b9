"""The logistic function and the gates against float64, at every size of z."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.activations import lstm_gates, sigmoid

FAR = np.concatenate([np.linspace(-87, 30, 20001), -np.logspace(-30, 1, 501)])
TINY = np.concatenate([np.logspace(-30, 2, 5001), -np.logspace(-30, 2, 5001)])


def logistic(z):
  return 1 / (1 + np.exp(-z.astype(np.float64)))


def gates(z, **options):
  """lstm_gates of the same z in i, f, g and o."""
  return lstm_gates(jnp.stack([jnp.asarray(z, **options)] * 4, -1))


@pytest.mark.parametrize("compiled", [False, True])
def test_sigmoid_has_small_relative_errors_everywhere(compiled):
  """float32 rounds to 6e-8; the series and the division add as much."""
  z = FAR.astype(np.float32)
  for function in (sigmoid, lambda z: gates(z)[:, 1]):
    y = (jax.jit(function) if compiled else function)(z)
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, logistic(z), rtol=3e-7)


def test_so_has_its_gradient_where_the_gate_is_nearly_closed():
  z = FAR[FAR < 0].astype(np.float32)
  y = logistic(z)
  gradient = jax.jit(jax.vmap(jax.grad(sigmoid)))(z)
  np.testing.assert_allclose(gradient, y * (1 - y), rtol=4e-7)
  assert (gradient > 0).all()


def test_tanh_of_the_gates_is_exact_near_zero_too():
  z = TINY.astype(np.float32)
  wanted = np.tanh(z.astype(np.float64))
  np.testing.assert_allclose(jax.jit(gates)(z)[:, 2], wanted, rtol=3e-7)
  slope = jax.jit(jax.vmap(jax.grad(lambda z: gates(z)[2])))(z)
  np.testing.assert_allclose(slope, 1 - wanted**2, atol=1e-6)


def test_the_ends_and_what_is_not_a_number():
  ends = jnp.array([-jnp.inf, jnp.inf, jnp.nan, -0.0])
  # Where float32 has no smaller number, 1 / exp(88) = 6e-39 stays or is 0.
  np.testing.assert_allclose(sigmoid(ends), [0, 1, np.nan, 0.5], atol=1e-38)
  every = gates(ends)
  np.testing.assert_allclose(every[:, 2], [-1, 1, np.nan, 0], atol=1e-38)
  np.testing.assert_array_equal(every[:, 0], sigmoid(ends))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_the_rounded_float32(dtype):
  z = jnp.linspace(-9, 9, 101).astype(dtype)
  assert sigmoid(z).dtype == z.dtype
  np.testing.assert_array_equal(
    sigmoid(z), sigmoid(z.astype(jnp.float32)).astype(dtype)
  )


def test_float64(x64):
  z = np.linspace(-80, 40, 1001)
  np.testing.assert_allclose(sigmoid(jnp.asarray(z)), logistic(z), rtol=1e-14)
  y = gates(z)
  np.testing.assert_allclose(y[:, 2], np.tanh(z), rtol=1e-14)
  np.testing.assert_array_equal(y[:, 3], sigmoid(jnp.asarray(z)))


def test_second_derivatives():
  z = np.linspace(-4, 4, 9).astype(np.float32)
  y = logistic(z)
  second = jax.vmap(jax.grad(jax.grad(sigmoid)))(z)
  np.testing.assert_allclose(second, y * (1 - y) * (1 - 2 * y), atol=1e-6)
