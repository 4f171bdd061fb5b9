"""Samples from the rows of a CSV file: those of a group, or windows."""

import csv
import pathlib
from typing import NamedTuple

import numpy as np

from lstm_jax.data.columns import Arrays, make_arrays
from lstm_jax.errors import DataError, suggest


class Table(NamedTuple):
  """A CSV file. Columns whose first cell is a number are float64 [rows], others
  text."""

  path: pathlib.Path
  columns: dict[str, np.ndarray]
  rows: int

  def column(self, name: str, field: str) -> np.ndarray:
    """Raises DataError, which names the config's field, for no such column."""
    if name not in self.columns:
      hint = suggest(name, self.columns)
      raise DataError(f'{field}: {self.path} has no column "{name}"{hint}')
    return self.columns[name]

  def matrix(self, names: list[str]) -> np.ndarray:
    """Numeric columns side by side, [rows features].

    Raises:
      DataError: one is missing, or is text.
    """
    columns = [self.column(name, "its features") for name in names]
    for name, column in zip(names, columns, strict=True):
      if column.dtype.kind != "f":
        raise DataError(f'{self.path}: column "{name}" must be numbers')
    return np.stack(columns, 1).astype(np.float32)


def read_table(path: pathlib.Path) -> Table:
  """Reads a CSV file with a header line; commas, semicolons or tabs.

  Raises:
    DataError: names the line and the column that cannot be read.
  """
  try:
    with path.open(encoding="utf-8-sig", newline="") as file:
      first = file.readline()
      file.seek(0)
      reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
      lines = [(reader.line_num, row) for row in reader if row]
  except (OSError, UnicodeDecodeError, csv.Error) as error:
    raise DataError(f"{path}: cannot be read: {error}") from None
  if len(lines) < 2:
    raise DataError(f"{path}: needs a header line and rows below it")
  (_, header), *lines = lines
  header = [name.strip() for name in header]
  if len({*header}) < len(header) or not all(header):
    raise DataError(f"{path}: columns need names, each another: {header}")
  for line, row in lines:
    if len(row) != len(header):
      raise DataError(
        f"{path}: line {line} has {len(row)} cells, the header {len(header)}"
      )
  columns = {}
  for number, name in enumerate(header):
    cells = [(line, row[number].strip()) for line, row in lines]
    columns[name] = _column(path, name, cells)
  return Table(path, columns, len(lines))


def _column(path, name, cells) -> np.ndarray:
  try:
    float(cells[0][1] or "nan")  # an empty one is a number that is missing
  except ValueError:
    return np.array([cell for _, cell in cells])
  values = np.zeros(len(cells))
  for row, (line, cell) in enumerate(cells):
    try:
      values[row] = float(cell or "nan")
    except ValueError:
      values[row] = np.nan
    if not np.isfinite(values[row]):
      raise DataError(
        f'{path}: line {line}, column "{name}": "{cell}" is no finite number,'
        " as those above; fill it in or leave the row out"
      )
  return values


def feature_names(table: Table, *without: str) -> list[str]:
  """The numeric columns but those.

  Raises:
    DataError: there is none.
  """
  names = [
    name
    for name, column in table.columns.items()
    if column.dtype.kind == "f" and name not in without
  ]
  if not names:
    raise DataError(f"{table.path}: no numeric column for a feature")
  return names


def take_groups(
  table: Table, names: list[str], group: str, target: str
) -> Arrays:
  """A sample for each value of the column `group`: its rows in file order, and
  the target of its last row; none where `target` is empty."""
  column = table.column(group, "task.group")
  _, first, number = np.unique(column, return_index=True, return_inverse=True)
  rows = [np.flatnonzero(number == k) for k in np.argsort(first)]
  matrix = table.matrix(names)
  inputs = np.zeros((len(rows), max(map(len, rows)), len(names)), np.float32)
  for sample, mine in zip(inputs, rows, strict=True):
    sample[: len(mine)] = matrix[mine]
  targets = None
  if target:
    last = [mine[-1] for mine in rows]
    targets = table.column(target, "task.target")[last]
  where = f"{table.path}: "
  return make_arrays(where, inputs, targets, np.array([*map(len, rows)]))


def take_windows(
  table: Table,
  names: list[str],
  window: int,
  *,
  target: str = "",
  ahead: int = 0,
  stride: int = 1,
  part: slice = slice(None),
) -> Arrays:
  """A sample for each `window` rows of a part of the table, and the target so
  many rows after them; both lie in the part.

  Raises:
    DataError: the part is too short.
  """
  matrix = table.matrix(names)[part]
  if len(matrix) < window + ahead:
    raise DataError(
      f"{table.path}: {len(matrix)} rows, of a split or of all, are fewer than"
      f" the {window + ahead} of a window and its target; give more rows, or"
      " lower task.window or task.ahead"
    )
  views = np.lib.stride_tricks.sliding_window_view(matrix, window, axis=0)
  views = np.moveaxis(views, -1, 1)[: len(views) - ahead : stride]
  targets = None
  if target:
    column = table.column(target, "task.target")[part]
    targets = column[window - 1 + ahead :: stride]
  return make_arrays(f"{table.path}: ", views, targets)
