"""What a recurrent cell is: a few pure functions over explicit state.

`recurrence.unroll` runs any cell of the form

    zx_t = project(params, x)_t         all time steps in one matrix product
    zh_t = recurrent_input(params, state_{t-1}) @ params["w_h"]
    state_t = step(params, z_t, state_{t-1})

One hand-written backward pass serves every such cell. It forms the gradients of
w_x, w_h and b in one matrix product each, after the scan; those of all other
parameters are summed up step by step, so that large matrices belong into w_x
and w_h where a cell has the choice.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Int, Key, Params
from lstm_jax.cells.argument_checks import check_fields, widest
from lstm_jax.cells.short_repr import short

_TINY = 1024  # numbers of a matrix


@runtime_checkable
class Cell(Protocol):
  """A frozen dataclass of hyper-parameters; parameters are passed in.

  The parameters are a flat dictionary. `w_x` [d g], `w_h` [r g] and `b` [g] are
  never handed to `step` and `recurrent_input`; what else it holds (peepholes,
  gains) is. Without `w_h` there is no recurrent product, and z is zx; a `w_h`
  [n r/n g/n] is block-diagonal, n heads that do not see each other.
  """

  hidden_size: int
  output_size: int
  sums: bool
  """True: `step` takes z = zx + zh, one array. False: z = (zx, zh), for cells
  that treat the two apart (layer normalisation, the reset-after GRU)."""

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    """Initial parameters for inputs [b t d], d = input_size."""

  def initial_state(self, batch: int, dtype) -> Any:
    """The state before the first step; every leaf is [b ...]."""

  def project(
    self, params: Params, x: Float[Array, "*n d"] | Int[Array, "*n"]
  ) -> Float[Array, "*n g"]:
    """The part of the gate inputs that needs no state, for any leading axes."""

  def recurrent_input(self, params: Params, state: Any) -> Float[Array, "*n r"]:
    """What `w_h` multiplies, for any leading axes."""

  def step(self, params: Params, z: Any, state: Any, noise: Any = None) -> Any:
    """The next state from the gate inputs [b g] and the state.

    noise: what `Noise.step` holds for this step; each cell says what it is.
    """

  def output(self, state: Any) -> Float[Array, "*n h"]:
    """What the layer above reads from the state."""

  # With `takes_context = True` a cell's `recurrent_input` and `step` have one
  # more argument, `context`: what `unroll` was given by that name.

  # A cell may also have parallel(params, x, state, mask, reset, chunk) ->
  # (y, state): all steps of a chunk at once, where no step needs the hidden
  # state before (`MinLSTM`, `MatrixLSTM`).


class StateNoise(NamedTuple):
  """`Noise.step` of cells that read h_{t-1} without a product by `w_h`."""

  cell_input: Float[Array, "b h"] | None = None
  state: Float[Array, "b h"] | None = None  # factor on h_{t-1}
  __repr__ = short


class BasicCell:
  """What most cells share: a state with a hidden state `h` that goes up and
  back, gate inputs that are one linear map, and one sum of them.

  Raises:
    ValueError: a number is not of its field's type or range.
  """

  sums = True
  least = {}  # values of fields, where it is not 1 for integers
  takes_state_noise = False  # `noise` of `step` is a `StateNoise`
  takes_context = False  # arrays [b ...] that every step reads alike
  has_cell_input = True  # as wide as the state, and noise may drop it

  def __post_init__(self):
    check_fields(self, self.least)

  @property
  def output_size(self) -> int:
    return self.hidden_size

  def project(
    self, params: Params, x: Float[Array, "*n d"] | Int[Array, "*n"]
  ) -> Float[Array, "*n g"]:
    return matmul(x, params["w_x"]) + params["b"]

  def recurrent_input(self, params: Params, state: Any) -> Float[Array, "*n r"]:
    return state.h

  def output(self, state: Any) -> Float[Array, "*n h"]:
    return state.h


def is_symbols(x: Array) -> bool:
  """Whether inputs are numbers of symbols, each for a one-hot vector."""
  return jnp.issubdtype(x.dtype, jnp.integer)


def matmul(
  x: Float[Array, "*n d"] | Int[Array, "*n"], w: Float[Array, "d g"]
) -> Array:
  """x w, multiplied in the type of x and summed in the wider of both.

  Integers are symbols: the rows of w that one-hot vectors would pick.
  Inputs in bfloat16 with parameters in float32 are mixed precision: products of
  bfloat16 numbers, sums, gates and states in float32.
  """
  if x.shape[:-1] == (1,) and not is_symbols(x) and w.size <= _TINY:
    wide = widest(x.dtype, w.dtype)
    # XLA fuses a sum with what comes next.
    return (x.astype(wide).T * w.astype(wide)).sum(0)[None]
  if x.dtype == w.dtype:
    return x @ w
  if is_symbols(x):
    return w[x]
  return jnp.matmul(
    x, w.astype(x.dtype), preferred_element_type=widest(x.dtype, w.dtype)
  )
