"""Numbers and tables as a person reads them."""

import datetime
from collections.abc import Sequence


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
