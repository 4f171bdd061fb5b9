"""A loop over pieces of time, for cells that compute many steps at once."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def scan_time_chunks(run_chunk, carry: Any, steps: Any, fills: Any, chunk: int):
  """`run_chunk(carry, steps) -> (carry, y)` over pieces of `chunk` time steps.

  Args:
    carry: handed from piece to piece.
    steps: arrays [b t ...].
    fills: like `steps`, a number each: a step of these changes nothing. The
      last piece is filled up with them.
    chunk: steps a piece; 0 takes all in one.

  Returns:
    The last carry and all y [b t ...].
  """
  time = jax.tree.leaves(steps)[0].shape[1]
  if chunk == 0 or chunk >= time:
    return run_chunk(carry, steps)
  pieces = -(-time // chunk)

  def cut(a, fill):  # [b t ...] -> [pieces b chunk ...]
    padding = [(0, 0)] * a.ndim
    padding[1] = (0, pieces * chunk - time)
    a = jnp.pad(a, padding, constant_values=fill)
    return a.reshape(a.shape[0], pieces, chunk, *a.shape[2:]).swapaxes(0, 1)

  carry, y = lax.scan(run_chunk, carry, jax.tree.map(cut, steps, fills))
  y = y.swapaxes(0, 1)
  return carry, y.reshape(y.shape[0], -1, *y.shape[3:])[:, :time]
