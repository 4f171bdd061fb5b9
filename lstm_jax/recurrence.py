"""Running a recurrent cell over sequences: `unroll`.

States go in and come out, so that a sequence can be continued; a mask leaves
steps out, resets begin new documents, and everything can run backwards in time.
Arrays are batch-major.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Int, Params, PyTree, State
from lstm_jax.cells.base import Cell
from lstm_jax.scan import Aside, Noise, Plan, run_autodiff, run_fused


@dataclasses.dataclass(frozen=True)
class Options:
  """How a recurrence is computed; never what it computes.

  chunk: project the inputs and form the weight gradients for this many time
    steps at a time; 0 takes the whole sequence at once. Less memory traffic on
    long sequences, more small matrix products on short ones.
  memory: "full" keeps what the backward pass needs of every step; "sqrt" keeps
    the state of every sqrt(t)-th step and computes the rest again, at the price
    of a second forward pass. It sets the chunk.
  backward: "fused", the hand-written backward pass, or "autodiff", which JAX
    can also differentiate forwards and twice.
  """

  chunk: int = 0
  memory: str = "full"
  backward: str = "fused"

  def __post_init__(self):
    if self.chunk < 0:
      raise ValueError(f"chunk must be 0 or more, got {self.chunk}")
    for name, known in (
      ("memory", ("full", "sqrt")),
      ("backward", ("fused", "autodiff")),
    ):
      if getattr(self, name) not in known:
        raise ValueError(
          f"{name} must be one of {known}, got {getattr(self, name)!r}"
        )


def unroll(
  cell: Cell,
  params: Params,
  x: Float[Array, "b t *n d"],
  state: State | None = None,
  *,
  mask: Bool[Array, "b t"] | None = None,
  reset: Bool[Array, "b t"] | None = None,
  noise: Noise = Noise(),
  reverse: bool = False,
  return_states: bool = False,
  options: Options = Options(),
) -> tuple[PyTree[Float[Array, "b t ..."]], State]:
  """Runs a cell over a sequence.

  Args:
    cell: the recurrence, such as `LSTM(hidden_size=256)`.
    params: its parameters, from `cell.init(key, d)`.
    x: the inputs.
    state: the state before the first step; None is the cell's initial state.
    mask: False skips a step: the state stays as it is and the output is zero,
      whatever the input holds. `length_mask` makes one of lengths.
    reset: True gives the initial state before a step, as at the start of each
      document of a packed sequence; no gradient crosses it.
    noise: random factors.
    reverse: run from the last step to the first. With `reset`, each document
      starts afresh at its last step.
    return_states: give the state after every step, [b t ...] a leaf, in place
      of the outputs.
    options: how to compute it.

  Returns:
    The outputs [b t h] and the state after the last step, which continues the
    sequence when it is passed to the next call.

  Raises:
    ValueError: the inputs are not [b t d] (images: [b t y x d]), d is not that
      of the parameters, or mask or reset are not [b t].
  """
  w_x = params.get("w_x")  # [d g], or a kernel [y x d g] for images
  if x.ndim != (3 if w_x is None else w_x.ndim + 1):
    image = "" if w_x is None or w_x.ndim == 2 else "height, width, "
    raise ValueError(
      f"inputs must be [batch, time, {image}features], got {x.shape}"
    )
  if w_x is not None and x.shape[-1] != (d := w_x.shape[-2]):
    raise ValueError(f"the cell takes {d} input features, got {x.shape[-1]}")
  for name, flags in (("mask", mask), ("reset", reset)):
    if flags is not None and flags.shape != x.shape[:2]:
      raise ValueError(f"{name} must be {x.shape[:2]}, got {flags.shape}")
  if state is None:
    state = cell.initial_state(x.shape[0], jnp.result_type(x, *params.values()))
  if reset is not None and reverse:
    # Backwards, a document begins at the step before the next one's first.
    reset = jnp.pad(reset[:, 1:], ((0, 0), (0, 1)), constant_values=False)
  if mask is not None:
    live = jnp.reshape(mask, mask.shape + (1,) * (x.ndim - 2))
    x = jnp.where(live, x, 0)  # not even a NaN gets in
  aside = jax.tree.map(_swap, Aside(mask, reset, noise))
  x = _swap(x)
  if reverse:
    x, aside = jax.tree.map(_flip, (x, aside))
  plan = Plan(cell, return_states, _chunk(options, x.shape[0]), options.memory)
  run = run_autodiff if options.backward == "autodiff" else run_fused
  y, state = run(plan, params, x, state, aside)
  if reverse:
    y = jax.tree.map(_flip, y)
  return jax.tree.map(_swap, y), state


def length_mask(lengths: Int[Array, "b"], time: int) -> Bool[Array, "b t"]:
  """True at the first `lengths` steps of each row."""
  return jnp.arange(time) < jnp.asarray(lengths)[:, None]


def bidirectional(
  cells: tuple[Cell, Cell],
  params: tuple[Params, Params],
  x: Float[Array, "b t d"],
  state: tuple[State, State] | None = None,
  **arguments: Any,
) -> tuple[Float[Array, "b t two_h"], tuple[State, State]]:
  """One cell forwards, one backwards, side by side (Schuster & Paliwal 1997).

  Each row is reversed inside its own length, and each document inside itself.
  The arguments are those of `unroll`.
  """
  states = (None, None) if state is None else state
  (forth, s_forth), (back, s_back) = (
    unroll(cell, p, x, s, reverse=reverse, **arguments)
    for cell, p, s, reverse in zip(
      cells, params, states, (False, True), strict=True
    )
  )
  return jnp.concatenate([forth, back], -1), (s_forth, s_back)


def _chunk(options, time):
  if options.memory == "sqrt":
    return max(math.isqrt(time), 1)
  return options.chunk


def _swap(a):
  return jnp.swapaxes(a, 0, 1)


def _flip(a):
  return jnp.flip(a, 0)
