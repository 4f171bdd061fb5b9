"""What the configs of recurrent models share; each is beside its model."""

import dataclasses
from typing import Any, ClassVar

from lstm_jax.cells.base import Cell, options_of
from lstm_jax.cells.registry import CELLS
from lstm_jax.errors import ConfigError
from lstm_jax.layers.recurrent_dropout import misplaced, without_place
from lstm_jax.models.base import ModelConfig
from lstm_jax.models.cell_options import CellOptions, check_cells, reads_images
from lstm_jax.recurrence.unroll import Options
from lstm_jax.tasks.base import TaskConfig


def _no_place(cell: str) -> str:
  return f'the cell "{cell}" has nothing it could act on'


@dataclasses.dataclass(slots=True)
class RecurrentConfig(ModelConfig):
  """The recurrent layers of a model and how they are computed."""

  CHOICES: ClassVar = ModelConfig.CHOICES | Options.CHOICES
  RANGES: ClassVar = ModelConfig.RANGES | {"chunk": (0, 10**6)}

  # one name, or one for each layer with commas between
  cell: str = "lstm"
  options: CellOptions = dataclasses.field(default_factory=CellOptions)
  # add each layer's input to its output, where they are of one width
  residual: bool = False
  # layer-normalise what the last layer gives
  output_norm: bool = False
  # time steps whose inputs are projected at once; 0 chooses from the shape
  chunk: int = 0
  # "full", or "sqrt" for long windows in little memory at the price of time
  memory: str = "full"
  # "fused", the hand-written backward pass, or "autodiff" through the scan
  backward: str = "fused"
  # "scan", "parallel", "cudnn" (NVIDIA), or "auto"
  engine: str = "auto"

  def check(self, task: TaskConfig):
    """What fields say together, and with the task.

    Raises:
      ConfigError: no layer, an unknown cell, an option or dropout that no cell
        takes, or a task that the model cannot do.
    """
    spec = task.spec()
    if task.family not in ("", "frames"):
      self._check_images(False)
    elif spec is not None:
      self._check_images(isinstance(spec.inputs, tuple))
    ModelConfig.check(self, task)
    for cell, name in zip(self.cells(), self._names(), strict=True):
      if rate := misplaced(self.dropout, cell):
        raise ConfigError(f"model.dropout.{rate}: {_no_place(name)}")

  def _check_images(self, given: bool):
    """Raises ConfigError for a cell of vectors where images are given, or the
    reverse."""
    for name in self._names():
      if reads_images(CELLS[name]) != given:
        raise ConfigError(
          f'model.cell: "{name}" reads '
          + (
            "vectors, and the task gives images"
            if given
            else "images, and the task gives none"
          )
          + "; take another"
          + " such as conv_lstm" * given
        )

  def unread(self, task: TaskConfig) -> dict[str, str]:
    found = {}
    taken = set().union(*map(options_of, self.cells()))
    for field in dataclasses.fields(self.options):
      if field.name not in taken:
        why = f'the cell "{self.cell}" does not take it'
        found[f"options.{field.name}"] = why
    for rate in set.intersection(*map(without_place, self.cells())):
      found[f"dropout.{rate}"] = _no_place(self.cell)
    return found

  def options_to_keep(self) -> dict[str, Any]:
    """The options that a saved config has, those of its own cells, so that it
    can be read where others are not known."""
    taken = set().union(*map(options_of, self.cells()))
    values = dataclasses.asdict(self.options)
    return {name: values[name] for name in values if name in taken}

  def _names(self) -> list[str]:
    """The cell of each layer.

    Raises:
      ConfigError: there is no layer, or no such cell.
    """
    if not self.hidden_sizes:
      raise ConfigError("model.hidden_sizes: give at least one layer, as 64,64")
    names = self.cell.split(",")
    check_cells(names)
    if len(names) not in (1, len(self.hidden_sizes)):
      raise ConfigError(
        f"model.cell: {len(names)} names for {len(self.hidden_sizes)}"
        " model.hidden_sizes; give one, or one for each layer"
      )
    return names * len(self.hidden_sizes) if len(names) == 1 else names

  def cells(self, image_size: tuple[int, int] = (1, 1)) -> list[Cell]:
    """
    image_size: of what cells of images read, which the data says.

    Raises:
      ConfigError: they cannot be made so.
    """
    made = []
    try:
      for name, size in zip(self._names(), self.hidden_sizes, strict=True):
        kind = CELLS[name]
        # The cell may be newer than the config, and its options at defaults.
        names = [k for k in options_of(kind) if hasattr(self.options, k)]
        values = {k: getattr(self.options, k) for k in names}
        if reads_images(kind):
          values["image_size"] = image_size
        made.append(kind(hidden_size=size, **values))
      return made
    except ValueError as error:
      raise ConfigError(f"model.options: {error}") from None

  def _shared(self) -> dict[str, Any]:
    """Arguments that every model takes."""
    return {
      "residual": self.residual,
      "output_norm": self.output_norm,
      "rates": dataclasses.replace(self.dropout),
      "dtype": self.precision,
      "options": Options(
        chunk=self.chunk,
        memory=self.memory,
        backward=self.backward,
        engine=self.engine,
      ),
    }
