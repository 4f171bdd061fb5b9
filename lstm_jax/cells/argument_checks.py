"""What arguments may be: numbers of a range, arrays of a kind and a shape.

Public functions check what they are given here, at their edge, so that a wrong
argument is one ValueError that names it, and never a number. Types and shapes
are always known; values only outside jit, where they are looked at too.
"""

import dataclasses
import math
import numbers
import typing
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lstm_jax.array_types import Array, ArrayLike, Bool, Float, Int

FLOATS = ("float16", "bfloat16", "float32", "float64")


def check_integer(
  name: str, value: Any, least: int | float = 1, most: int | float = math.inf
):
  """Raises ValueError unless it is an integer of the range."""
  if isinstance(value, bool) or not isinstance(value, numbers.Integral):
    raise ValueError(f"{name} must be an integer, got {value!r}")
  _check_range(name, value, least, most)


def check_number(
  name: str,
  value: Any,
  least: int | float = -math.inf,
  most: int | float = math.inf,
):
  """Raises ValueError unless it is a finite number of the range."""
  if (
    isinstance(value, bool)
    or not isinstance(value, numbers.Real)
    or not math.isfinite(value)
  ):
    raise ValueError(f"{name} must be a number, got {value!r}")
  _check_range(name, value, least, most)


def _check_range(name, value, least, most):
  if not least <= value <= most:
    limits = f"{least} or more"
    if most < math.inf:
      limits = f"at least {least} and at most {most}"
    raise ValueError(f"{name} must be {limits}, got {value}")


def check_fields(settings: Any, least: Mapping[str, int | float] | None = None):
  """Every number, flag, choice and tuple of a dataclass is what its field says.

  An `option` of a cell has its range and choices beside it. Other integers are
  1 or more, and other numbers any.

  least: of fields that are no options, where it is something else.

  Raises:
    ValueError: names the first field that is not.
  """
  for field in dataclasses.fields(settings):
    name, value, kind = field.name, getattr(settings, field.name), field.type
    option, values = field.metadata.get("option"), [value]
    if typing.get_origin(kind) is tuple:
      kind, *rest = typing.get_args(kind)
      count = None if rest == [...] else 1 + len(rest)
      if not isinstance(value, tuple) or count not in (None, len(value)):
        size = "" if count is None else f"{count} "
        raise ValueError(
          f"{name} must be a tuple of {size}numbers, got {value!r}"
        )
      values = value
    usual = 1 if kind is int else -math.inf
    low, high = (least or {}).get(name, usual), math.inf
    if option:
      low, high = option.low, option.high
    for each in values:
      if kind is int:
        check_integer(name, each, low, high)
      elif kind is float:
        check_number(name, each, low, high)
      elif kind is bool and not isinstance(each, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {each!r}")
      elif option and option.choices and each not in option.choices:
        known = ", ".join(option.choices)
        raise ValueError(f"{name} must be one of {known}, got {each!r}")


def as_array(name: str, value: ArrayLike) -> Array:
  """An array as it is, and lists and numbers as arrays."""
  if isinstance(value, jax.Array | np.ndarray):
    return value
  try:
    if hasattr(value, "__jax_array__"):  # a parameter of nnx
      return value.__jax_array__()
    return np.asarray(value)
  except ValueError:
    raise ValueError(f"{name} must be an array, got {type(value)}") from None


def as_floats(
  name: str, value: ArrayLike, kind: Any = "float32"
) -> Float[Array, "..."]:
  """Numbers as they are; integers and booleans in the type `kind`.

  Where float64 is not switched on, it becomes float32.
  """
  array = as_array(name, value)
  if array.dtype.name in FLOATS:
    return jnp.asarray(array)
  if array.dtype == bool or jnp.issubdtype(array.dtype, jnp.integer):
    return jnp.asarray(array.astype(kind))
  raise ValueError(f"{name} must be numbers, got {array.dtype}{array.shape}")


def as_flags(
  name: str, value: ArrayLike | None, shape: tuple[int, ...]
) -> Bool[Array, "..."] | None:
  """Booleans of a shape, also from the integers 0 and 1; None is none.

  Floating-point numbers are refused: they may be weights, or numbers to add to
  scores. Inside jit every integer but 0 is True.
  """
  if value is None:
    return None
  array = as_array(name, value)
  if array.shape != shape:
    raise ValueError(f"{name} must be {shape}, got {array.shape}")
  if array.dtype == bool:
    return jnp.asarray(array)
  if not jnp.issubdtype(array.dtype, jnp.integer):
    raise ValueError(f"{name} must be booleans, got {array.dtype}{shape}")
  if is_known(array) and not np.isin(array, (0, 1)).all():
    raise ValueError(
      f"{name} must be 0 or 1, got {array.min()} to {array.max()}"
    )
  return jnp.asarray(array != 0)


def as_symbols(
  name: str,
  value: ArrayLike,
  size: int,
  shape: tuple[int, ...] | None = None,
  mask: ArrayLike | None = None,
) -> Int[Array, "..."]:
  """Integers from 0 to size - 1, [b t] or of the shape that is given.

  Numbers out of range are refused where they are known and `mask` is not False.
  Inside jit, where they are not, what reads them takes the nearest symbol.
  """
  array = as_array(name, value)
  if not jnp.issubdtype(array.dtype, jnp.integer):
    raise ValueError(
      f"{name} must be symbols, which are integers, got"
      f" {array.dtype}{array.shape}"
    )
  if shape is None and array.ndim != 2:
    raise ValueError(f"{name} must be [batch, time], got {array.shape}")
  if shape is not None and array.shape != shape:
    raise ValueError(f"{name} must be {shape}, got {array.shape}")
  mask = as_flags("mask", mask, array.shape)
  if is_known(array) and (mask is None or is_known(mask)):
    values = np.asarray(array)
    outside = (values < 0) | (values >= size)
    wrong = outside if mask is None else outside & np.asarray(mask)
    if wrong.any():
      raise ValueError(
        f"{name} must be symbols from 0 to {size - 1}, got {values[wrong][0]}"
      )
    if isinstance(array, np.ndarray):  # 64 bits do not fit into JAX's
      array = np.where(outside, 0, values).astype(np.int32)
  if jnp.issubdtype(array.dtype, jnp.unsignedinteger):
    most = min(size, jnp.iinfo(array.dtype).max)
    return jnp.minimum(array, most).astype(jnp.int32)
  return jnp.asarray(array)


def nearest_symbol(symbols: Int[Array, "*n"], size: int) -> Int[Array, "*n"]:
  """Numbers out of range as the first or the last symbol."""
  return jnp.clip(symbols, 0, min(size - 1, jnp.iinfo(symbols.dtype).max))


def is_known(array: Array) -> bool:
  """Whether the values are here, and not of another process or inside jit."""
  traced = isinstance(array, Tracer)
  return not traced and getattr(array, "is_fully_addressable", True)
