"""An LSTM layer whose hidden units are shared by devices.

Each device has the four gates of its units, and with them these units' cell
states. The hidden states of all are gathered at every step, h numbers a row,
and each device multiplies them by its own columns of the recurrent matrix
(as layers are cut in Shoeybi et al. 2019, "Megatron-LM").
"""

import dataclasses

from jax import lax

from lstm_jax.array_types import Array, Float, Params
from lstm_jax.cells.lstm import LSTM, LSTMState


@dataclasses.dataclass(frozen=True)
class SplitLSTM(LSTM):
  """One device's part; runs inside `jax.shard_map`.

  hidden_size: units of this device.
  axis: of the mesh; its devices have the other units.
  """

  _: dataclasses.KW_ONLY
  axis: str = ""

  def recurrent_input(
    self, params: Params, state: LSTMState
  ) -> Float[Array, "*n r"]:
    return gather(state.h, self.axis)


def gather(a: Float[Array, "*n d"], axis: str) -> Float[Array, "*n e"]:
  """The features of all devices along an axis of the mesh, side by side.

  Its gradient sums what each device says of all features.
  """
  return lax.all_gather(a, axis, axis=a.ndim - 1, tiled=True)
