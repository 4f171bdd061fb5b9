"""What a model is, what it says, and what every model's config has."""

import dataclasses
import operator
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
from flax import nnx

from lstm_jax.array_types import Array, ArrayLike, Float
from lstm_jax.cells.base import Cell
from lstm_jax.cells.short_repr import short
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout, NoiseKeys
from lstm_jax.tasks.base import Spec, TaskConfig


class Keys(NamedTuple):
  """Keys of one use of a model on one batch, one a row."""

  noise: NoiseKeys | None = None  # dropout; None at evaluation
  latent: NoiseKeys | None = None  # what a model draws by its nature, always


@dataclasses.dataclass(frozen=True)
class Output:
  """What a model says of each position, made on demand."""

  features: Float[Array, "b t h"]  # outputs of the last layer
  state: Any  # to continue the sequence with
  likelihood: Any  # one of likelihoods/: what this says of targets
  # added to the summed loss in training
  penalty: Float[Array, ""] | float = 0.0
  __repr__ = short

  def logits(self) -> Float[Array, "b t v"]:
    """Unnormalised log-probabilities of the symbols, or of a 1 for each."""
    return self.likelihood.logits()

  def nll(self, targets: ArrayLike) -> Float[Array, "b t"]:
    """Negative log-likelihood of the targets in nats."""
    return self.likelihood.nll(targets)

  def values(self) -> Float[Array, "b t k"]:
    """The numbers that are said, of the likelihood "squared_error"."""
    return self.likelihood.values()


@runtime_checkable
class Model(Protocol):
  """An nnx module; its config says what it reads, and builds it."""

  def initial_state(self, rows: int) -> Any:
    """What is carried from batch to batch; () where nothing is."""
    ...

  def read(self, inputs: Any, state: Any, keys: Keys) -> Output:
    """Reads a batch's inputs, from a state on."""
    ...

  # A model that can say whole answers has one of the two: `start` and `step`,
  # see `search/base.py`, or decode(inputs, search, key) -> prediction, such as
  # the best path through labels, or frames to come.


@dataclasses.dataclass(slots=True)
class ModelConfig:
  """What the configs of all models have; each also has `build(spec, rngs)`."""

  CHOICES: ClassVar = {"precision": ("float32", "bfloat16")}
  RANGES: ClassVar = {"hidden_sizes": (1, 10**6)}
  READS: ClassVar[tuple[str, ...]] = ()  # families of tasks
  engine: ClassVar[str] = "auto"  # recurrent models have a choice

  name: str = ""
  # hidden units of each layer, from the input upwards
  hidden_sizes: tuple[int, ...] = (256,)
  # rates of every kind of dropout
  dropout: Dropout = dataclasses.field(default_factory=Dropout)
  # type of the products; "bfloat16" keeps sums, states and parameters in
  # float32
  precision: str = "float32"

  def check(self, task: TaskConfig):
    """What fields say together, and with the task.

    Raises:
      ConfigError: nothing reads a field, or the model cannot do the task.
    """
    for name, why in self.unread(task).items():
      get, usual = operator.attrgetter(name), type(self)()
      if get(self) != get(usual):
        raise ConfigError(f"model.{name}: {why}")

  def unread(self, task: TaskConfig) -> dict[str, str]:
    """Why nothing reads a field, for each that nothing reads: "options.rank".

    Raises:
      ConfigError: the model cannot be made.
    """
    return {}

  def cells(self) -> list[Cell]:
    """The cell of each recurrent layer, of which there may be none."""
    return []

  def build(self, spec: Spec, rngs: nnx.Rngs) -> nnx.Module:
    """A `Model` with its initial parameters.

    Raises:
      ConfigError: it does not fit the task's spec.
    """
    raise NotImplementedError


def parameter_count(params: Any) -> int:
  """How many numbers a tree of parameters has."""
  return sum(leaf.size for leaf in jax.tree.leaves(params))
