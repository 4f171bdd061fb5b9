"""What --help says of a config's fields: the comments beside them in the
source, their ranges and their choices."""

import ast
import dataclasses
import inspect
import operator
import textwrap
from typing import Any

from lstm_jax.cells.registry import CELLS
from lstm_jax.config import Config, fields, show, type_name
from lstm_jax.config.checks import unread
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.registry import MODELS

_WIDTH, _INDENT = 80, " " * 6


def describe_fields(config: Config) -> str:
  """A flag for each field that something reads, and below it what it means."""
  hidden, lines = unread(config), []
  for path, value in fields(config).items():
    if path in hidden:
      continue
    where, _, name = path.rpartition(".")
    part = operator.attrgetter(where)(config)
    kinds = [type(part)]
    if isinstance(part, CellOptions):
      kinds = map(type, config.model.cells())
    found = (field_comments(kind).get(name) for kind in kinds)
    comment = next(filter(None, found), None)
    said = "; ".join(filter(None, [comment, _may_be(path, part, name)]))
    lines.append(f"  --config.{path}={show(value)}")
    lines += textwrap.wrap(
      said, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT
    )
  if hidden:
    lines.append(
      f"{len(hidden)} more are read with another cell, task, schedule or rule"
    )
  return "\n".join(lines)


def _may_be(path: str, part: Any, name: str) -> str:
  """The values that a field takes."""
  if path == "task.name":
    return "chosen by the config file"
  if path == "model.name":
    return "known are " + ", ".join(MODELS)
  if name == "cell":
    return "known are " + ", ".join(CELLS)
  if name in getattr(part, "CHOICES", {}):
    return "one of " + ", ".join(word or '""' for word in part.CHOICES[name])
  kind = type_name(getattr(part, name))
  if name in getattr(part, "RANGES", {}):
    low, high = part.RANGES[name]
    kind += f", {low:,} to {high:,}"
  return kind


def field_comments(kind: type) -> dict[str, str]:
  """The comment above each field of a dataclass, in the source of its class.

  A field without one that follows another at once shares that one's.
  """
  found = {}
  for base in reversed(kind.__mro__):
    if not dataclasses.is_dataclass(base):
      continue
    try:
      source = textwrap.dedent(inspect.getsource(base))
    except (OSError, TypeError):  # no source is there
      continue
    lines, text = source.splitlines(), ""
    (body,) = ast.parse(source).body
    for node in body.body if isinstance(body, ast.ClassDef) else ():
      if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        above, first = [], node.lineno - 1
        while lines[first - 1].strip().startswith("#"):
          first -= 1
          above.insert(0, lines[first].strip(" #"))
        text = (
          " ".join(above) if above or not lines[first - 1].strip() else text
        )
        found[node.target.id] = text
  return found
