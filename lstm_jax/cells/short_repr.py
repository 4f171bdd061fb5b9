"""How results are shown: types and shapes, not thousands of numbers."""

import dataclasses
from typing import Any


def short(value: Any) -> str:
  """What `repr` says, with float32[2, 3] for an array.

  A class takes it as its `__repr__`.
  """
  if hasattr(value, "shape") and hasattr(value, "dtype"):
    return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    names = [field.name for field in dataclasses.fields(value) if field.repr]
    return _named(value, {name: getattr(value, name) for name in names})
  if hasattr(value, "_fields"):
    return _named(value, value._asdict())
  if isinstance(value, dict):
    inside = (f"{key!r}: {short(item)}" for key, item in value.items())
    return "{" + ", ".join(inside) + "}"
  if isinstance(value, tuple):
    return f"({', '.join(map(short, value))}{',' * (len(value) == 1)})"
  if isinstance(value, list):
    return f"[{', '.join(map(short, value))}]"
  return repr(value)


def _named(value, fields):
  inside = (f"{name}={short(item)}" for name, item in fields.items())
  return f"{type(value).__name__}({', '.join(inside)})"
