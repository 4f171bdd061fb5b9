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

import dataclasses
import math
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Int, Key, Params
from lstm_jax.cells.argument_checks import check_fields
from lstm_jax.cells.short_repr import short

_TINY = 1024  # numbers of a matrix


@runtime_checkable
class Cell(Protocol):
  """A frozen dataclass of hyper-parameters, of which those made by `option` can
  be set by a config; parameters are passed in.

  The parameters are a flat dictionary. `w_x` [d g], `w_h` [r g] and `b` [g] are
  never handed to `step` and `recurrent_input`; what else it holds (peepholes,
  gains) is. Without `w_h` there is no recurrent product, and z is zx; a `w_h`
  [n r/n g/n] is block-diagonal, n heads that do not see each other.
  """

  @property
  def hidden_size(self) -> int: ...

  @property
  def output_size(self) -> int: ...

  @property
  def adds_products(self) -> bool:
    """True: `step` takes z = zx + zh, one array. False: z = (zx, zh), for cells
    that treat the two apart (layer normalisation, the reset-after GRU)."""
    ...

  @property
  def takes_state_noise(self) -> bool:
    """`noise` of `step` is a `StateNoise`."""
    ...

  @property
  def has_cell_input(self) -> bool:
    """It is as wide as the state, and noise may drop it."""
    ...

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    """Initial parameters for inputs [b t d], d = input_size."""
    ...

  def initial_state(self, batch: int, dtype: Any = ...) -> Any:
    """The state before the first step; every leaf is [b ...]."""
    ...

  def project(
    self, params: Params, x: Float[Array, "*n d"] | Int[Array, "*n"]
  ) -> Float[Array, "*n g"]:
    """The part of the gate inputs that needs no state, for any leading axes."""
    ...

  def recurrent_input(self, params: Params, state: Any) -> Float[Array, "*n r"]:
    """What `w_h` multiplies, for any leading axes."""
    ...

  def step(self, params: Params, z: Any, state: Any, noise: Any = None) -> Any:
    """The next state from the gate inputs [b g] and the state.

    noise: what `Noise.step` holds for this step; each cell says what it is.
    """
    ...

  def output(self, state: Any) -> Float[Array, "*n h"]:
    """What the layer above reads from the state."""
    ...

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


class Option(NamedTuple):
  """What a field of a cell may be, where a config can set it."""

  low: int | float
  high: int | float
  choices: tuple[str, ...]  # of text
  initial: bool  # it says what parameters start as, and nothing else


def option(
  default: Any,
  low: int | float = -math.inf,
  high: int | float = math.inf,
  *,
  choices: tuple[str, ...] = (),
  initial: bool = False,
) -> Any:
  """A field of a cell that a config can set, under model.options.

  Its type is int, float, bool, str or a tuple of numbers. The comment above it
  explains it to the config's user. Options of one name are the same in all
  cells: type, default and range.
  """
  limits = Option(low, high, choices, initial)
  return dataclasses.field(default=default, metadata={"option": limits})


def options_of(cell: Any) -> dict[str, dataclasses.Field]:
  """The fields of a cell, or of its class, that were made by `option`."""
  fields = dataclasses.fields(cell)
  return {field.name: field for field in fields if "option" in field.metadata}


class BasicCell:
  """What most cells share: a state with a hidden state `h` that goes up and
  back, gate inputs that are one linear map, and one sum of them.

  Raises:
    ValueError: a field is not of its type, range or choices.
  """

  hidden_size: int
  state_type: ClassVar[Any]  # a named tuple of arrays
  adds_products = True
  takes_state_noise = False  # `noise` of `step` is a `StateNoise`
  takes_context = False  # arrays [b ...] that every step reads alike
  has_cell_input = True  # as wide as the state, and noise may drop it

  def __post_init__(self):
    check_fields(self)

  @property
  def output_size(self) -> int:
    return self.hidden_size

  def initial_state(self, batch: int, dtype: Any = jnp.float32) -> Any:
    """Zeros, [b h] each: own buffers, which a program may write into."""
    shape, count = (batch, self.hidden_size), len(self.state_type._fields)
    return self.state_type(*(jnp.zeros(shape, dtype) for _ in range(count)))

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


def widest(*kinds: Any) -> Any:
  """The type that holds the numbers of all, asked for by name, so that JAX's
  strict promotion allows it."""
  with jax.numpy_dtype_promotion("standard"):
    return jnp.result_type(*[jnp.dtype(kind) for kind in kinds])


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
