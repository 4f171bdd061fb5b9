"""Model configs: what a config file and the command line say of a model."""

import dataclasses
from typing import ClassVar

from flax import nnx

from lstm_jax.cells.base import Cell
from lstm_jax.cells.greff import VARIANTS
from lstm_jax.cells.lstm_1997 import BIASES
from lstm_jax.cells.registry import CELLS
from lstm_jax.cells.rnn import NONLINEARITIES
from lstm_jax.cells.slstm import FORGET_GATES
from lstm_jax.errors import ConfigError
from lstm_jax.models.language_model import LanguageModel
from lstm_jax.recurrence import Options


@dataclasses.dataclass(slots=True)
class CellOptions:
  """Every option of every cell; a cell takes those it has a field for."""

  CHOICES: ClassVar = {
    "variant": VARIANTS,
    "nonlinearity": tuple(NONLINEARITIES),
    "biases": BIASES,
    "forget": FORGET_GATES,
  }
  RANGES: ClassVar = {
    "forget_bias": (-100, 100),
    "projection_size": (1, 10**6),
    "rounds": (0, 100),
    "rank": (0, 10**6),
    "heads": (1, 10**6),
    "block_size": (1, 10**6),
    "init_scale": (0, 100),
    "input_gate_biases": (-100, 100),
    "output_gate_biases": (-100, 100),
  }

  # lstm and its variants: initial bias of the forget gate
  forget_bias: float = 1.0
  # greff: which of the eight variants, or V
  variant: str = "V"
  # projection: width of what goes up and back
  projection_size: int = 128
  # mogrifier: rounds of mutual gating, and the rank of their matrices (0: full)
  rounds: int = 5
  rank: int = 0
  # rnn: "tanh" or "relu"; start as the identity (IRNN)
  nonlinearity: str = "tanh"
  identity: bool = False
  # slstm, matrix_lstm: groups of hidden units that do not see each other
  heads: int = 1
  # slstm: forget gate, "sigmoid" or "exp"
  forget: str = "sigmoid"
  # lstm_1997: cells a memory block; output gates; recurrence beside the
  # carousel; no gradient through it
  block_size: int = 1
  output_gate: bool = True
  recurrent: bool = True
  truncated: bool = True
  # lstm_1997: which units have a bias, "none", "gates" or "all"
  biases: str = "all"
  # lstm_1997: weights start as U(-init_scale, init_scale); so do the biases,
  # but for gates whose initial biases stand here, a number a block
  init_scale: float = 0.1
  input_gate_biases: tuple[float, ...] = ()
  output_gate_biases: tuple[float, ...] = ()


@dataclasses.dataclass(slots=True)
class LanguageModelConfig:
  CHOICES: ClassVar = {"cell": CELLS, "backward": ("fused", "autodiff")}
  RANGES: ClassVar = {
    "hidden_sizes": (1, 10**6),
    "embedding_size": (1, 10**6),
    "dropout": (0, 0.99),
    "chunk": (0, 10**6),
  }

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
  # "fused", the hand-written backward pass, or "autodiff" through the scan
  backward: str = "fused"

  def check(self):
    """What fields say together.

    Raises:
      ConfigError: no layer, a tied softmax of another width than the embedding,
        or an option that the cell does not take or refuses.
    """
    if not self.hidden_sizes:
      raise ConfigError("model.hidden_sizes: give at least one layer, as 64,64")
    try:
      last = self.cells()[-1].output_size
    except ValueError as error:  # such as heads that do not divide the units
      raise ConfigError(f"model: {error}") from None
    if self.tied and self.embedding_size != last:
      raise ConfigError(
        f"model.tied: the embedding ({self.embedding_size}) must be as wide as"
        f" the last layer's output ({last}); set"
        f" --config.model.embedding_size={last}"
      )
    for name, value in dataclasses.asdict(self.options).items():
      default = getattr(CellOptions(), name)
      if name not in self._options_taken() and value != default:
        raise ConfigError(
          f'model.options.{name}: the cell "{self.cell}" does not take it'
        )

  def _options_taken(self) -> set[str]:
    return {field.name for field in dataclasses.fields(CELLS[self.cell])}

  def cells(self) -> list[Cell]:
    options = {
      name: value
      for name, value in dataclasses.asdict(self.options).items()
      if name in self._options_taken()
    }
    make = CELLS[self.cell]
    return [make(hidden_size=h, **options) for h in self.hidden_sizes]

  def build(self, vocabulary_size: int, rngs: nnx.Rngs) -> LanguageModel:
    return LanguageModel(
      self.cells(),
      vocabulary_size=vocabulary_size,
      embedding_size=self.embedding_size,
      tied=self.tied,
      dropout_rate=self.dropout,
      options=Options(chunk=self.chunk, backward=self.backward),
      rngs=rngs,
    )


MODELS = {"language_model": LanguageModelConfig}
