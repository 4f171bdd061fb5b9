"""Draws without replacement, cheap where few are drawn of many."""

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key


def subset(key: Key[Array, ""], total: int, count: int) -> Int[Array, "k"]:
  """A set of `count` different numbers below `total`, any with the same chance;
  in no particular order (nor a random one).

  Floyd's method (Bentley & Floyd 1987, "A sample of brilliance", CACM): for j =
  total - count .. total - 1 take a number t up to j, or j itself if t is taken.
  """
  last = jnp.arange(total - count, total)
  drawn = jax.random.randint(key, (count,), 0, last + 1, jnp.int32)

  def step(taken, now):
    i, j, t = now
    chosen = jnp.where((taken == t).any(), j, t)
    return taken.at[i].set(chosen), None

  none = jnp.full((count,), -1, jnp.int32)
  return jax.lax.scan(step, none, (jnp.arange(count), last, drawn))[0]


def distinct(key: Key[Array, ""], total: int, count: int) -> Int[Array, "k"]:
  """As `subset`, in random order."""
  set_key, order_key = jax.random.split(key)
  return jax.random.permutation(order_key, subset(set_key, total, count))
