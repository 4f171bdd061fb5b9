"""How results are shown: types and shapes, not thousands of numbers."""

import dataclasses
from typing import Any


def short(self: Any) -> str:
  """What `repr` says, with float32[2, 3] for an array.

  A class takes it as its `__repr__`, which is why its argument is called so.
  """
  if hasattr(self, "shape") and hasattr(self, "dtype"):
    return f"{self.dtype}[{', '.join(map(str, self.shape))}]"
  if dataclasses.is_dataclass(self) and not isinstance(self, type):
    names = [field.name for field in dataclasses.fields(self) if field.repr]
    return _named(self, {name: getattr(self, name) for name in names})
  if fields := getattr(self, "_fields", None):  # of a named tuple
    return _named(self, {name: getattr(self, name) for name in fields})
  if isinstance(self, dict):
    inside = (f"{key!r}: {short(item)}" for key, item in self.items())
    return "{" + ", ".join(inside) + "}"
  if isinstance(self, tuple):
    return f"({', '.join(map(short, self))}{',' * (len(self) == 1)})"
  if isinstance(self, list):
    return f"[{', '.join(map(short, self))}]"
  return repr(self)


def _named(value, fields):
  inside = (f"{name}={short(item)}" for name, item in fields.items())
  return f"{type(value).__name__}({', '.join(inside)})"
