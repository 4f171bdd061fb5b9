"""Numbers and tables, as a person reads them and as files have them."""

import csv
import datetime
import io
import json
import math
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from lstm_jax.files import write_atomically


def significant(value: float, digits: int = 4, zeros: bool = False) -> str:
  """A number in so many significant digits: 0.00042, 1.834, 564.1, 27,380.

  zeros: those at its end too, 2.500, so that a column of numbers is straight.
  """
  if 1000 <= abs(value) < 1e9:
    return f"{value:,.0f}"
  text = f"{value:#.{digits}g}" if zeros else f"{value:.{digits}g}"
  return text.removesuffix(".")


def duration(seconds: float) -> str:
  """Hours, minutes and seconds, 0:06:20; above a day "2 days, 1:06:20"."""
  return str(datetime.timedelta(seconds=round(seconds)))


def align(rows: Sequence[Sequence[str]]) -> list[str]:
  """A line for each row of texts, with the columns below each other."""
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return [
    "  ".join(t.ljust(n) for t, n in zip(row, widths, strict=True)).rstrip()
    for row in rows
  ]


def strict_json(value: Any, indent: int | None = None) -> str:
  """JSON has no nan and no infinity; null stands for them."""
  return json.dumps(_finite(value), indent=indent)


def _finite(value):
  if isinstance(value, dict):
    return {name: _finite(inner) for name, inner in value.items()}
  if isinstance(value, list | tuple):
    return list(map(_finite, value))
  known = not isinstance(value, float) or math.isfinite(value)
  return value if known else None


def write_csv(path: pathlib.Path, rows: Iterable[Sequence]):
  """The first row is the head. Raises OSError where it cannot be written."""
  out = io.StringIO()
  csv.writer(out, lineterminator="\n").writerows(rows)
  write_atomically(path, out.getvalue())
