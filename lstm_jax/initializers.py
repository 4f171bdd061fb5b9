"""Initial values of recurrent weights. Every function takes a key first."""

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key


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
    [
      draw(k, (hidden_size, hidden_size), jnp.float32)
      for k in jax.random.split(key, gates)
    ],
    axis=1,
  )
