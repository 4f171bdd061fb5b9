"""The logistic function and an LSTM's gates, exact to float32 at every input.

tanh(z / 2) / 2 + 1/2, the cheapest form that XLA has on a CPU, is quantised to
3e-8: at -10 it is off by 5e-4 of its value, and from -17.5 on it is 0 and so is
its gradient, where the gates live that chrono initialisation nearly closes.
XLA's own logistic is exact, and slower. Here the exponential is written out,
tanh of the cell input comes from the same one, and the division at the end
keeps XLA from computing it once for every gate that reads it.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

from lstm_jax.array_types import Array, Float

_LOG2_E = 1.4426950408889634
# ln 2 in two parts: the first has so few bits that its multiples are exact.
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
# (exp(f) - 1) / f for |f| <= ln(2) / 2, to a relative error of 1.4e-8; fitted.
_TAYLOR = (0.0013882517, 0.0083665475, 0.041667201, 0.16666543, 0.49999997, 1.0)
# Added to a float32 it leaves the nearest integer, plus the exponent's bias of
# 127, in the lowest bits.
_ROUND = 1.5 * 2**23 + 127
_LARGEST, _SMALLEST = 88.0, -87.0  # whose exponentials float32 can hold


def sigmoid(z: Float[Array, "*n"]) -> Float[Array, "*n"]:
  """1 / (1 + exp(-z)), with a relative error below 3e-7 down to z = -87."""
  return _logistic(z, 0).astype(z.dtype)


def lstm_gates(z: Float[Array, "*n g"]) -> Float[Array, "*n g"]:
  """sigmoid of i, f and o, tanh of g; z holds them in the order i f g o."""
  return _logistic(z, z.shape[-1] // 4).astype(z.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _logistic(z, width):
  """width: of a gate, the third of which is for tanh; 0 is none."""
  if z.dtype == jnp.float64:
    y = 1 / (1 + jnp.exp(-z))
    return jnp.where(_columns_of_tanh(width), jnp.tanh(z), y) if width else y
  z = z.astype(jnp.float32)
  if jax.default_backend() != "cpu":
    return _in_float32(z, width)
  # One function. XLA would count its operations and share it between threads,
  # which takes longer than the work: an update of adding.py took 4.3 ms, not 3.
  with set_xla_metadata(inlineable="false", xla_cpu_small_call="true"):
    return _in_float32(z, width)


@functools.partial(jax.jit, static_argnums=1, inline=False)
def _in_float32(z, width):
  # exp(-z) = power + rest, exp(-2 z) for tanh
  factor = np.where(_columns_of_tanh(width), -2, -1).astype(np.float32)
  power, rest = _exp(z * factor)
  above = lax.full_like(z, 1)
  if width:
    is_tanh = lax.broadcast(_columns_of_tanh(width), z.shape[:-1])
    above = lax.select(is_tanh, (1 - power) - rest, above)
  return above / (1 + (power + rest))


@_logistic.defjvp
def _logistic_jvp(width, primals, tangents):
  (z,), (dz,) = primals, tangents
  y = _logistic(z, width)
  first = y
  if width:
    first = jnp.where(_columns_of_tanh(width), jnp.ones((), y.dtype), y)
  return y, dz.astype(y.dtype) * (first - y * y)  # 1 - y^2 for tanh


def _columns_of_tanh(width) -> np.ndarray:
  """Constants: computed, they would be computed again at every step."""
  if not width:
    return np.zeros((), bool)
  gate = np.arange(4 * width)
  return (gate >= 2 * width) & (gate < 3 * width)


def _exp(u):
  """exp(u) as 2^k + rest: 2^k exp(f) with u = k ln 2 + f, so that exp(u) - 1 is
  exact as well."""
  # Selections keep NaN, in one instruction each.
  for bound, beyond in ((_LARGEST, lax.gt), (_SMALLEST, lax.lt)):
    limit = lax.full_like(u, bound)
    u = lax.select(beyond(u, limit), limit, u)
  shifted = u * _LOG2_E + _ROUND
  k = shifted - _ROUND
  bits = lax.bitcast_convert_type(shifted, jnp.int32) << np.int32(23)
  power = lax.bitcast_convert_type(bits, jnp.float32)
  f = (u - k * _LN2_HIGH) - k * _LN2_LOW
  series = lax.full_like(f, _TAYLOR[0])
  for coefficient in _TAYLOR[1:]:
    series = series * f + coefficient
  return power, power * (f * series)
