"""Model configs: what a config file and the command line say of a model."""

import dataclasses

from flax import nnx

from lstm_jax.cells.base import Cell
from lstm_jax.cells.registry import CELLS
from lstm_jax.models.language_model import LanguageModel
from lstm_jax.recurrence import Options


@dataclasses.dataclass(slots=True)
class CellOptions:
  """Every option of every cell; a cell takes those it has a field for."""

  # initial bias of the forget gate
  forget_bias: float = 1.0


@dataclasses.dataclass(slots=True)
class LanguageModelConfig:
  name: str = "language_model"
  cell: str = "lstm"
  options: CellOptions = dataclasses.field(default_factory=CellOptions)
  # hidden units of each layer, from the input upwards
  hidden_sizes: tuple[int, ...] = (256,)
  embedding_size: int = 64
  # share the embedding with the softmax
  tied: bool = False
  # dropout between layers, on their input and on the last one's output
  dropout: float = 0.0
  # time steps whose inputs are projected at once; 0 is the whole window
  chunk: int = 16

  def cells(self) -> list[Cell]:
    make = CELLS[self.cell]
    fields = {field.name for field in dataclasses.fields(make)}
    options = {
      field.name: getattr(self.options, field.name)
      for field in dataclasses.fields(self.options)
      if field.name in fields
    }
    return [make(hidden_size=h, **options) for h in self.hidden_sizes]

  def build(self, vocabulary_size: int, rngs: nnx.Rngs) -> LanguageModel:
    return LanguageModel(
      self.cells(),
      vocabulary_size=vocabulary_size,
      embedding_size=self.embedding_size,
      tied=self.tied,
      dropout_rate=self.dropout,
      options=Options(chunk=self.chunk),
      rngs=rngs,
    )


MODELS = {"language_model": LanguageModelConfig}
