"""The options of cells, as a config file and the command line give them."""

import dataclasses
import functools
from typing import Any, ClassVar

from lstm_jax.cells.base import options_of
from lstm_jax.cells.registry import CELLS
from lstm_jax.errors import ConfigError, suggest

_KINDS = (int, float, bool, str, tuple[int, ...], tuple[float, ...])


@dataclasses.dataclass(slots=True)
class CellOptions:
  """Every option of every cell in `CELLS`; each cell takes its own.

  `CellOptions(rounds=3)` makes an instance of `options_class()`: a config has
  all of them, since the command line may choose another cell.
  """

  CHOICES: ClassVar[dict[str, tuple[str, ...]]]
  RANGES: ClassVar[dict[str, tuple[int | float, int | float]]]

  def __new__(cls, **values: Any) -> "CellOptions":
    return object.__new__(options_class())


def options_class() -> type[CellOptions]:
  """The dataclass of all options that the cells in `CELLS` declare.

  Raises:
    ConfigError: two cells have different options of one name, or one has an
      option that a config cannot hold.
  """
  owners, found = {}, {}
  for cell, kind in CELLS.items():
    for name, field in options_of(kind).items():
      if field.type not in _KINDS:
        raise ConfigError(
          f'the option "{name}" of the cell "{cell}" must be an int, float,'
          f" bool, str or tuple of numbers, not {field.type}"
        )
      declared = name, field.type, field.default, field.metadata["option"]
      if found.setdefault(name, declared) != declared:
        raise ConfigError(
          f'the option "{name}" of the cell "{cell}" has another type, default'
          f' or range than that of "{owners[name]}"; make them equal, or take'
          " another name"
        )
      owners.setdefault(name, cell)
  return _make_class(tuple(found.values()))


@functools.cache  # of equal options there is one class
def _make_class(options) -> type[CellOptions]:
  choices = {name: o.choices for name, *_, o in options if o.choices}
  ranges = {
    name: (o.low, o.high)
    for name, kind, _, o in options
    if kind not in (bool, str)
  }
  return dataclasses.make_dataclass(
    "CellOptions",
    [(name, kind, default) for name, kind, default, _ in options],
    bases=(CellOptions,),
    namespace={"CHOICES": choices, "RANGES": ranges},
    slots=True,
    module=__name__,
  )


def reads_images(cell: Any) -> bool:
  """Whether a cell, or its class, is one of images."""
  return any(field.name == "image_size" for field in dataclasses.fields(cell))


def check_cells(names: list[str]):
  """
  Raises:
    ConfigError: there is no such cell.
  """
  for name in names:
    if name not in CELLS:
      raise ConfigError(
        f'model.cell: unknown name "{name}"' + suggest(name, CELLS)
      )
