"""Initial values of recurrent weights. Every function takes a key first."""

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells.argument_checks import check_integer


def uniform(
  key: Key[Array, ""], shape: tuple[int, ...], scale: float
) -> Float[Array, "..."]:
  """U(-scale, scale)."""
  return jax.random.uniform(key, shape, minval=-scale, maxval=scale)


def lecun_uniform(
  key: Key[Array, ""], shape: tuple[int, ...]
) -> Float[Array, "..."]:
  """U(±sqrt(3 / fan_in)): unit-variance inputs give unit-variance sums."""
  return uniform(key, shape, (3 / shape[0]) ** 0.5)


def orthogonal_per_gate(
  key: Key[Array, ""], hidden_size: int, gates: int
) -> Float[Array, "h g"]:
  """One orthogonal matrix a gate, side by side (Saxe et al. 2014).

  An orthogonal [h, gates * h] matrix would scale each gate by sqrt(1/gates).
  """
  draw = jax.nn.initializers.orthogonal()
  return jnp.concatenate(
    [draw(k, (hidden_size, hidden_size)) for k in jax.random.split(key, gates)],
    axis=1,
  )


def lstm_weights(
  key: Key[Array, ""],
  input_size: int,
  hidden_size: int,
  forget_bias: float,
  chrono: float = 0.0,
) -> Params:
  """Weights of the four gates i f g o: w_x LeCun uniform, w_h one orthogonal
  matrix a gate, b zero but the forget gate's.

  chrono: the longest dependency that `chrono_biases` are for; 0 is none.
  """
  check_integer("input_size", input_size)
  h = hidden_size
  key_x, key_h = jax.random.split(key)
  b = jnp.zeros(4 * h).at[h : 2 * h].set(forget_bias)
  if chrono:
    b = chrono_biases(jax.random.fold_in(key, 2), h, chrono)
  return {
    "w_x": lecun_uniform(key_x, (input_size, 4 * h)),
    "w_h": orthogonal_per_gate(key_h, h, 4),
    "b": b,
  }


def check_chrono(chrono: float, forget_bias: float):
  """Raises ValueError unless chrono is 0, or above 2 and alone."""
  if chrono and not chrono > 2:
    raise ValueError(f"chrono must be 0 or above 2, got {chrono}")
  if chrono and forget_bias != 1:
    raise ValueError("chrono sets the forget bias; leave forget_bias at 1")


def chrono_biases(
  key: Key[Array, ""], hidden_size: int, longest: float
) -> Float[Array, "g"]:
  """Biases of i f g o for dependencies of up to `longest` steps.

  b_f = log U(1, longest - 1) and b_i = -b_f (Tallec & Ollivier 2018, "Can
  recurrent neural networks warp time?", equation 16).
  """
  b_f = jnp.log(
    jax.random.uniform(key, (hidden_size,), minval=1.0, maxval=longest - 1)
  )
  zeros = jnp.zeros(hidden_size)
  return jnp.concatenate([-b_f, b_f, zeros, zeros])
