"""Dropout from an explicit key."""

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key


def dropout(
  x: Float[Array, "*n"], rate: float, key: Key[Array, ""] | None
) -> Float[Array, "*n"]:
  """Sets each element to zero with probability `rate` and scales the others
  by 1 / (1 - rate) (Srivastava et al. 2014). Without a key, or at rate 0, it
  returns x: evaluation gives no key."""
  if key is None or rate == 0.0:
    return x
  keep = jax.random.bernoulli(key, 1.0 - rate, x.shape)
  return jnp.where(keep, x / (1.0 - rate), jnp.zeros((), x.dtype))
