"""A loop over pieces of time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Kept = tuple[Any, Any]  # of the whole pieces, stacked, and of the shorter last


def scan_chunks(
  run_chunk: Callable,
  carry: Any,
  steps: Any,
  chunk: int,
  kept: Kept = (None, None),
  reverse: bool = False,
) -> tuple[Any, Any, Kept]:
  """Runs (carry, steps, kept) -> (carry, y, kept) over pieces of a sequence.

  Pieces are cut from arrays that lie batch-major, and results written into such
  arrays, one piece at a time: no copy of a whole sequence is made.

  Args:
    run_chunk: takes and returns arrays [b chunk ...]; what it keeps may have
      any shape.
    carry: handed from piece to piece.
    steps: arrays [b t ...].
    chunk: time steps a piece. A last piece that is shorter runs by itself; 0,
      or t and more, is one piece.
    kept: what another call kept, handed back piece by piece.
    reverse: from the last piece to the first.

  Returns:
    The last carry, all y [b t ...], and what was kept.
  """
  time = jax.tree.leaves(steps)[0].shape[1]
  if not 0 < chunk < time:
    carry, y, last = run_chunk(carry, steps, kept[1])
    return carry, y, (None, last)
  pieces, rest = divmod(time, chunk)

  def cut(start, size):
    return jax.tree.map(
      lambda a: lax.dynamic_slice_in_dim(a, start, size, 1), steps
    )

  def run(state, start, size, kept):
    carry, buffers = state
    carry, y, kept = run_chunk(carry, cut(start, size), kept)
    buffers = jax.tree.map(
      lambda buffer, new: lax.dynamic_update_slice_in_dim(
        buffer, new, start, 1
      ),
      buffers,
      y,
    )
    return (carry, buffers), kept

  def run_whole(state):
    return lax.scan(
      lambda state, piece: run(state, piece[0], chunk, piece[1]),
      state,
      (chunk * jnp.arange(pieces), kept[0]),
      reverse=reverse,
    )

  def run_rest(state):
    if not rest:
      return state, None
    return run(state, pieces * chunk, rest, kept[1])

  first = jax.tree.map(lambda a: a[0], kept[0])
  _, shapes, _ = jax.eval_shape(run_chunk, carry, cut(0, chunk), first)
  buffers = jax.tree.map(
    lambda s: jnp.zeros((s.shape[0], time, *s.shape[2:]), s.dtype), shapes
  )
  state = carry, buffers
  if reverse:
    state, last = run_rest(state)
    state, first = run_whole(state)
  else:
    state, first = run_whole(state)
    state, last = run_rest(state)
  return *state, (first, last)
