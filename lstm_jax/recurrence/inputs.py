"""What `unroll` is given, checked and made arrays.

Everything that comes from outside passes here once, whatever computes it later:
a wrong argument is one ValueError that names it, what was wanted and what came.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from lstm_jax.array_types import Array, ArrayLike, Params, PyTree, State
from lstm_jax.cells.argument_checks import (
  FLOATS,
  as_array,
  as_flags,
  as_floats,
  as_symbols,
  nearest_symbol,
)
from lstm_jax.cells.base import BasicCell, Cell, is_symbols, widest
from lstm_jax.cells.short_repr import short
from lstm_jax.recurrence.products import recurrent_size
from lstm_jax.recurrence.scan import Noise


class Inputs(NamedTuple):
  """Arguments of a recurrence, each an array of its own type."""

  params: Params
  x: Array
  state: State
  context: PyTree
  mask: Array | None
  reset: Array | None
  noise: Noise


def take(
  cell: Cell,
  params: Params,
  x: ArrayLike,
  state: Any,
  context: Any,
  mask: ArrayLike | None,
  reset: ArrayLike | None,
  noise: Noise | None,
) -> Inputs:
  """The arguments of `unroll` as `run` computes with them."""
  if not isinstance(params, Mapping):
    raise ValueError(f"params must be a dictionary, got {short(params)}")
  params = {k: as_floats(f'params["{k}"]', p) for k, p in params.items()}
  if not params:
    raise ValueError(f"params must be those of {cell}, got none")
  kinds = [p.dtype for p in params.values()]
  x = as_array("x", x)
  symbols = is_symbols(x) and x.ndim == 2
  w_x: Any = params.get("w_x")  # [d g], or a kernel [y x d g] for images
  if not symbols:
    x = as_floats("x", x, widest(*kinds))
    kinds.append(x.dtype)
  _check_axes(cell, w_x, x, symbols)
  _check_params(cell, params, w_x.shape[-2] if symbols else x.shape[-1])
  mask = as_flags("mask", mask, x.shape[:2])
  reset = as_flags("reset", reset, x.shape[:2])
  if symbols:
    size = w_x.shape[0]
    x = nearest_symbol(as_symbols("x", x, size, mask=mask), size)
  if state is None:
    state = cell.initial_state(x.shape[0], widest(*kinds))
  else:
    state = check_state("state", cell, x.shape[0], state)
  context = _check_context(cell, context, x.shape[0])
  noise = Noise() if noise is None else noise
  noise = _check_noise(cell, params, state, noise, x.shape[:2])
  return Inputs(params, x, state, context, mask, reset, noise)


def _check_axes(cell, w_x, x, symbols):
  """Inputs are [b t d], images [b t y x d], or symbols [b t]."""
  axes = 3 if w_x is None else w_x.ndim + 1
  if symbols and axes == 3:
    if w_x is None:
      raise ValueError(
        f"x: {type(cell).__name__} takes no symbols here; give one-hot vectors"
      )
  elif x.ndim != axes:
    image = "" if axes == 3 else "height, width, "
    raise ValueError(f"x must be [batch, time, {image}features], got {x.shape}")
  elif w_x is not None and x.shape[-1] != w_x.shape[-2]:
    raise ValueError(
      f"x: the cell takes {w_x.shape[-2]} input features, got {x.shape[-1]}"
    )


def _check_params(cell, params, input_size):
  wanted = _parameter_shapes(cell, input_size)
  if params.keys() != wanted.keys():
    raise ValueError(
      f"params must be {', '.join(wanted)}, as {cell}.init makes them, got"
      f" {', '.join(params)}"
    )
  for name, shape in wanted.items():
    if params[name].shape != shape:
      raise ValueError(
        f'params["{name}"] must be {shape} for {cell} and {input_size} input'
        f" features, got {params[name].shape}"
      )


@functools.lru_cache(maxsize=256)
def _parameter_shapes(cell, input_size):
  params = jax.eval_shape(lambda: cell.init(jax.random.key(0), input_size))
  return {name: p.shape for name, p in params.items()}


def check_state(name: str, cell: Cell, batch: int, state: Any) -> State:
  """A state of the cell, its numbers in their own types.

  Raises:
    ValueError: it is of another class, as a plain tuple is, or of another
      batch or width.
  """
  wanted = jax.eval_shape(lambda: cell.initial_state(batch))
  leaves, structure = jax.tree.flatten(state)
  right = structure == jax.tree.structure(wanted)
  if right:
    leaves = [as_floats(name, leaf) for leaf in leaves]
    shapes = [leaf.shape for leaf in jax.tree.leaves(wanted)]
    right = [leaf.shape for leaf in leaves] == shapes
  if not right:
    raise ValueError(f"{name} must be {short(wanted)}, got {short(state)}")
  return jax.tree.unflatten(structure, leaves)


def takes_context(cell: Cell) -> bool:
  """Whether every step of the cell reads a context."""
  return getattr(cell, "takes_context", False)


def _check_context(cell, context, batch):
  """A tree of floating-point arrays [b ...] for cells that take one."""
  kind = type(cell).__name__
  if not takes_context(cell):
    if context is not None:
      raise ValueError(f"context: {kind} takes none, got {short(context)}")
    return None
  if not jax.tree.leaves(context):
    raise ValueError(f"context: {kind} needs one, got {short(context)}")

  def leaf(value):
    array = as_array("context", value)
    if array.dtype.name not in FLOATS or array.shape[:1] != (batch,):
      raise ValueError(
        f"context must be floating-point arrays [{batch}, ...], got"
        f" {array.dtype}{array.shape}"
      )
    return as_floats("context", array)

  return jax.tree.map(leaf, context)


def _check_noise(cell, params, state, noise, steps):
  """Factors are [b t ...], or [b 1 ...] for all steps."""
  if not isinstance(noise, Noise):
    raise ValueError(f"noise must be a Noise, got {short(noise)}")
  batch, time = steps
  kind = type(cell).__name__

  def check(name, tree, shape):
    allowed = [(batch, time, *shape), (batch, 1, *shape)]

    def leaf(value):
      factor = as_floats(name, value)
      if factor.shape not in allowed:
        raise ValueError(
          f"{name} must be {allowed[0]} or {allowed[1]}, got {factor.shape}"
        )
      return factor

    return jax.tree.map(leaf, tree)

  recurrent, step, hold = noise
  if recurrent is not None:
    if "w_h" not in params:
      raise ValueError(f"noise.recurrent: {kind} has no recurrent product")
    r = recurrent_size(params["w_h"])
    recurrent = check("noise.recurrent", recurrent, (r,))
  if step is not None and isinstance(cell, BasicCell):
    if not cell.has_cell_input:
      raise ValueError(f"noise.step: {kind} has no cell input")
    if cell.takes_state_noise != hasattr(step, "cell_input"):
      wanted = "a StateNoise" if cell.takes_state_noise else "one array"
      raise ValueError(
        f"noise.step must be {wanted} for {kind}, got {short(step)}"
      )
    image = getattr(cell, "image_size", ())
    step = check("noise.step", step, (*image, cell.hidden_size))
  if hold is not None:
    if jax.tree.structure(hold) != jax.tree.structure(state):
      raise ValueError(
        f"noise.hold must be like the state, {short(state)}, got {short(hold)}"
      )
    hold = jax.tree.map(
      lambda a, leaf: check("noise.hold", a, leaf.shape[1:]), hold, state
    )
  return Noise(recurrent, step, hold)
