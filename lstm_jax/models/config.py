"""Model configs: what a config file and the command line say of a model."""

import dataclasses
import operator
from typing import Any, ClassVar

from flax import nnx

from lstm_jax.cells.base import Cell, options_of
from lstm_jax.cells.registry import CELLS
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout
from lstm_jax.layers.recurrent_dropout import misplaced, without_place
from lstm_jax.models.cell_options import CellOptions, check_cells
from lstm_jax.models.language_model import Head, LanguageModel
from lstm_jax.models.sequence_model import OUTPUTS, SequenceModel
from lstm_jax.recurrence.unroll import Options
from lstm_jax.tasks.base import Spec, TaskConfig

_NO_EMBEDDING = "there is no embedding; set model.embedding_size"


def _no_place(cell: str) -> str:
  return f'the cell "{cell}" has nothing it could act on'


@dataclasses.dataclass(slots=True)
class RecurrentConfig:
  """The recurrent layers of a model and how they are computed."""

  CHOICES: ClassVar = Options.CHOICES | {
    "precision": ("float32", "bfloat16"),
  }
  RANGES: ClassVar = {
    "hidden_sizes": (1, 10**6),
    "chunk": (0, 10**6),
  }
  READS: ClassVar[tuple[str, ...]] = ()  # families of tasks

  name: str = ""
  # one name, or one for each layer with commas between
  cell: str = "lstm"
  options: CellOptions = dataclasses.field(default_factory=CellOptions)
  # hidden units of each layer, from the input upwards
  hidden_sizes: tuple[int, ...] = (256,)
  # add each layer's input to its output, where they are of one width
  residual: bool = False
  # layer-normalise what the last layer gives
  output_norm: bool = False
  # rates of every kind of dropout
  dropout: Dropout = dataclasses.field(default_factory=Dropout)
  # type of the products; "bfloat16" keeps sums, states and parameters in
  # float32
  precision: str = "float32"
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
    for name, why in self.unread(task).items():
      get, usual = operator.attrgetter(name), type(self)()
      if get(self) != get(usual):
        raise ConfigError(f"model.{name}: {why}")
    for cell, name in zip(self.cells(), self._names(), strict=True):
      if rate := misplaced(self.dropout, cell):
        raise ConfigError(f"model.dropout.{rate}: {_no_place(name)}")

  def unread(self, task: TaskConfig) -> dict[str, str]:
    """Why nothing reads a field, for each that nothing reads: "options.rank".

    Raises:
      ConfigError: the cells cannot be made.
    """
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

  def cells(self) -> list[Cell]:
    """
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


@dataclasses.dataclass(slots=True)
class LanguageModelConfig(RecurrentConfig):
  RANGES: ClassVar = RecurrentConfig.RANGES | {
    "embedding_size": (0, 10**6),
    "init_scale": (0, 100),
    "experts": (0, 10**4),
    "cutoffs": (1, 10**9),
    "latent_dropout": (0, 0.99),
    "activation_l2": (0, 10**6),
    "slowness_l2": (0, 10**6),
  }
  READS: ClassVar = ("text",)

  name: str = "language_model"
  # 0 is none: one-hot vectors
  embedding_size: int = 64
  # share the embedding with the softmax
  tied: bool = False
  # a linear map from the last layer to the embedding's width, below the softmax
  project: bool = False
  # the softmax reads the sum of all layers' outputs, which are of one width
  sum_layers: bool = False
  # softmaxes that are mixed, each on features of the embedding's width, and the
  # dropout of these (Yang et al. 2018); 0 is one plain softmax
  experts: int = 0
  latent_dropout: float = 0.0
  # adaptive softmax, for large vocabularies: the words, by frequency, at which
  # its clusters begin, as 20000,60000 (Grave et al. 2017); none is a plain one
  cutoffs: tuple[int, ...] = ()
  # penalties on the squares of the last layer's outputs, dropped, and of their
  # changes from step to step (AR and TAR, Merity et al. 2018)
  activation_l2: float = 0.0
  slowness_l2: float = 0.0
  # every parameter starts as U(-init_scale, init_scale); 0 leaves each layer
  # its own way
  init_scale: float = 0.0

  def check(self, task: TaskConfig):
    RecurrentConfig.check(self, task)
    last = self.cells()[-1].output_size
    if self.project and self.experts:
      raise ConfigError(
        "model.project: model.experts have a projection of their own; set it to"
        " false"
      )
    for name in ("tied", "project", "experts"):
      if getattr(self, name) and not self.embedding_size:
        raise ConfigError(f"model.{name}: {_NO_EMBEDDING}")
    if self.cutoffs:
      if list(self.cutoffs) != sorted(set(self.cutoffs)):
        raise ConfigError("model.cutoffs: must rise, as 20000,60000")
      for name in ("tied", "project", "experts"):
        if getattr(self, name):
          raise ConfigError(f"model.{name}: does not go with model.cutoffs")
    widths = {cell.output_size for cell in self.cells()}
    if self.sum_layers and len(widths) > 1:
      raise ConfigError("model.sum_layers: the layers must be of one width")
    changed = self.project or self.experts
    if self.tied and self.embedding_size != last and not changed:
      raise ConfigError(
        f"model.tied: the embedding ({self.embedding_size}) must be as wide as"
        f" the last layer's output ({last}); set"
        f" --config.model.embedding_size={last} or --config.model.project=true"
      )

  def unread(self, task: TaskConfig) -> dict[str, str]:
    found = RecurrentConfig.unread(self, task)
    if self.init_scale:
      why = "model.init_scale draws every parameter; set it to 0 to choose this"
      for cell in self.cells():
        for name, field in options_of(cell).items():
          if field.metadata["option"].initial:
            found[f"options.{name}"] = why
    if not self.experts:
      found["latent_dropout"] = "there are no model.experts; set it to 0"
    if not self.embedding_size:
      found["dropout.input"] = found["dropout.embedding"] = _NO_EMBEDDING
    return found

  def build(self, spec: Spec, rngs: nnx.Rngs) -> LanguageModel:
    if self.cutoffs and self.cutoffs[-1] >= spec.outputs:
      raise ConfigError(
        f"model.cutoffs: must be below the vocabulary's {spec.outputs} words"
      )
    return LanguageModel(
      self.cells(),
      vocabulary_size=spec.outputs,
      embedding_size=self.embedding_size,
      head=Head(
        **{f.name: getattr(self, f.name) for f in dataclasses.fields(Head)}
      ),
      sum_layers=self.sum_layers,
      init_scale=self.init_scale,
      **self._shared(),
      rngs=rngs,
    )


@dataclasses.dataclass(slots=True)
class SequenceModelConfig(RecurrentConfig):
  CHOICES: ClassVar = RecurrentConfig.CHOICES | {"output": OUTPUTS}
  RANGES: ClassVar = RecurrentConfig.RANGES | {
    "embedding_size": (0, 10**6),
    "output_scale": (0, 100),
  }
  READS: ClassVar = ("tokens", "frames")

  name: str = "sequence_model"
  # width of an embedding of symbols; 0 is one-hot vectors
  embedding_size: int = 0
  # units that give the output: "linear", or "logistic" for squared_error
  output: str = "linear"
  # they have biases
  output_bias: bool = True
  # the output units see the inputs besides the last layer
  skip: bool = False
  # their weights and biases start as U(-output_scale, output_scale); 0 is LeCun
  # uniform, with biases of 0
  output_scale: float = 0.0

  def check(self, task: TaskConfig):
    RecurrentConfig.check(self, task)
    if self.embedding_size and task.family == "frames":
      raise ConfigError(
        "model.embedding_size: the task's inputs are numbers, not symbols;"
        " set it to 0"
      )

  def unread(self, task: TaskConfig) -> dict[str, str]:
    why = "a sequence_model drops no rows of its embedding"
    return RecurrentConfig.unread(self, task) | {"dropout.embedding": why}

  def build(self, spec: Spec, rngs: nnx.Rngs) -> SequenceModel:
    return SequenceModel(
      self.cells(),
      input_size=spec.inputs,
      output_size=spec.outputs,
      symbols=spec.family == "tokens",
      embedding_size=self.embedding_size,
      likelihood=spec.likelihood,
      output=self.output,
      output_bias=self.output_bias,
      skip=self.skip,
      output_scale=self.output_scale,
      **self._shared(),
      rngs=rngs,
    )
