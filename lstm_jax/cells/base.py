"""What a recurrent cell is: five pure functions over explicit state.

`recurrence.unroll` runs any cell of the form

    zx_t = project(params, x)_t         all time steps in one matrix product
    zh_t = recurrent_input(params, state_{t-1}) @ params["w_h"]
    state_t = step(params, z, state_{t-1})

where `step` is pointwise over the batch and holds no large matrix product.
One hand-written backward pass serves every such cell.
"""

from typing import Protocol, TypeVar, runtime_checkable

from lstm_jax.array_types import Array, Float, Key, Params

S = TypeVar("S")


@runtime_checkable
class Cell(Protocol[S]):
  """A frozen dataclass of hyper-parameters; parameters are passed in.

  The parameters are a flat dictionary that holds at least `w_x` [d g],
  `w_h` [r g] and `b` [g]; what else it holds (peepholes, gains) is handed to
  `step` and `recurrent_input`, which never see those three.
  """

  hidden_size: int
  sums: bool
  """True: `step` takes z = zx + zh, one array. False: z = (zx, zh), for cells
  that treat the two apart (layer normalisation, the reset-after GRU)."""

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    """Initial parameters for inputs [b t d], d = input_size."""

  def initial_state(self, batch: int, dtype) -> S:
    """The state before the first step; every leaf is [b ...]."""

  def project(
    self, params: Params, x: Float[Array, "*n d"]
  ) -> Float[Array, "*n g"]:
    """The part of the gate inputs that needs no state, for any leading axes."""

  def recurrent_input(self, params: Params, state: S) -> Float[Array, "*n r"]:
    """What `w_h` multiplies, for any leading axes."""

  def step(self, params: Params, z, state: S) -> S:
    """The next state from the gate inputs [b g] and the state."""

  def output(self, state: S) -> Float[Array, "*n h"]:
    """What the layer above reads from the state."""
