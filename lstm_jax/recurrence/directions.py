"""Two cells over one sequence, forwards and backwards."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from lstm_jax.array_types import Array, ArrayLike, Float, Params, State
from lstm_jax.cells.base import Cell
from lstm_jax.cells.short_repr import short
from lstm_jax.recurrence.scan import Noise
from lstm_jax.recurrence.unroll import unroll


def bidirectional(
  cells: tuple[Cell, Cell],
  params: tuple[Params, Params],
  x: ArrayLike,
  state: tuple[State, State] | None = None,
  *,
  noise: tuple[Noise, Noise] = (Noise(), Noise()),
  **arguments: Any,
) -> tuple[Float[Array, "b t ..."], tuple[State, State]]:
  """One cell forwards, one backwards, side by side (Schuster & Paliwal 1997).

  Each row is reversed inside its own length, and each document inside itself.
  The other arguments are those of `unroll`; both cells read the same context.

  Raises:
    ValueError: cells, params, state or noise are not a pair, and what `unroll`
      refuses.
  """
  states = (None, None) if state is None else state
  pairs = {"cells": cells, "params": params, "state": states, "noise": noise}
  for name, pair in pairs.items():
    if type(pair) not in (tuple, list) or len(pair) != 2:
      raise ValueError(
        f"{name} must be a pair, forwards and backwards, got {short(pair)}"
      )
  return run_both(unroll, cells, params, x, states, noise, **arguments)


def run_both(
  run_one: Callable,
  cells: tuple[Cell, Cell],
  params: tuple[Params, Params],
  x: ArrayLike,
  states: tuple[Any, Any],
  noise: tuple[Noise, Noise],
  **arguments: Any,
) -> tuple[Float[Array, "b t ..."], tuple[State, State]]:
  """`bidirectional` by `unroll`, or by `run` where nothing is to be checked."""
  (forth, s_forth), (back, s_back) = (
    run_one(cell, p, x, s, noise=n, reverse=reverse, **arguments)
    for cell, p, s, n, reverse in zip(
      cells, params, states, noise, (False, True), strict=True
    )
  )
  return jnp.concatenate([forth, back], -1), (s_forth, s_back)
