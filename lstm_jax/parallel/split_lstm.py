"""An LSTM layer whose hidden units are shared by devices.

Each device has the four gates of its units, and with them these units' cell
states. The hidden states of all are gathered at every step, h numbers a row,
and each device multiplies them by its own columns of the recurrent matrix
(as layers are cut in Shoeybi et al. 2019, "Megatron-LM").
"""

import dataclasses
from typing import Any

from jax import lax

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells.lstm import LSTM, LSTMState
from lstm_jax.layers.stack import Stack


@dataclasses.dataclass(frozen=True)
class SplitLSTM(LSTM):
  """One device's part; runs inside `jax.shard_map`.

  hidden_size: units of this device.
  axis: of the mesh; its devices have the other units.
  parts: how many devices these are.
  """

  _: dataclasses.KW_ONLY
  axis: str = ""
  parts: int = 1

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    """One device's columns of the matrices, for their shapes."""
    whole = LSTM(self.parts * self.hidden_size).init(key, input_size)
    return {name: p[..., : 4 * self.hidden_size] for name, p in whole.items()}

  def recurrent_input(
    self, params: Params, state: LSTMState
  ) -> Float[Array, "*n r"]:
    return gather(state.h, self.axis)


def split_stack(stack: Stack, count: int, axis: str):
  """From now on the stack computes what one of `count` devices computes, with
  that device's part of the parameters. Its states have the hidden units of this
  device, its outputs those of all.

  For layers of `LSTM` whose sizes the count divides.
  """
  cells: Any = stack.cells  # `LSTM` each
  parts: Any = tuple(
    SplitLSTM(
      cell.hidden_size // count,
      cap_input_gate=cell.cap_input_gate,
      axis=axis,
      parts=count,
    )
    for cell in cells
  )
  stack.cells = parts
  run_part = stack.run_layer

  def run_layer(*arguments, **named):
    y, state = run_part(*arguments, **named)
    return gather(y, axis), state

  stack.run_layer = run_layer


def gather(a: Float[Array, "*n d"], axis: str) -> Float[Array, "*n e"]:
  """The features of all devices along an axis of the mesh, side by side.

  Its gradient sums what each device says of all features.
  """
  return lax.all_gather(a, axis, axis=a.ndim - 1, tiled=True)
