"""What a task is: data, a loss and the unit that the loss is reported in.

A batch is a function of the data and the step alone, so that a run resumes
from one integer. A task knows nothing of models.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from lstm_jax.array_types import Array, Bool, Float, Int, Key
from lstm_jax.data.source import Source
from lstm_jax.metrics.sums import Sums


class Batch(NamedTuple):
  """A window of every stream, or whole sequences. Shapes never change, so
  nothing recompiles."""

  inputs: Int[Array, "b t"] | Float[Array, "b t d"]  # symbols, or numbers
  targets: Int[Array, "b t"] | Float[Array, "b t k"]  # classes, or numbers
  weights: Float[Array, "b t"]  # 0 for padding, and where nothing is asked
  restart: Bool[Array, ""]  # the carried state starts afresh here
  mask: Bool[Array, "b t"] | None = None  # False outside a sequence
  # `sequence_task.Example` says what these are
  accepted: Bool[Array, "b t k"] | None = None
  reference: Float[Array, "b t k"] | None = None
  judged: Bool[Array, "b t"] | None = None
  asked: Bool[Array, "b t k"] | None = None
  lr_scale: Float[Array, ""] | None = None  # factor on the learning rate


class Sizes(NamedTuple):
  """What a model must fit."""

  inputs: int  # features, or how many symbols there are
  outputs: int
  symbols: bool  # inputs are symbols [b t], not numbers [b t d]


@dataclasses.dataclass(slots=True)
class TaskConfig:
  """What a config file says of a task. `load(batch_size, vocabulary)` makes the
  task; a vocabulary is given where parameters come from another run."""

  text: ClassVar[bool] = False  # it has a vocabulary

  name: str = ""

  def check(self):
    """What fields say together.

    Raises:
      ConfigError: names the field and what it may be.
    """

  def sizes(self) -> Sizes | None:
    """What a model must fit; None where the data must be read to know."""


@runtime_checkable
class Task(Protocol):
  """Made by a task config's `load`, once a process."""

  source: Source  # of the arrays that `batch` reads, passed through jit
  train: Any  # those of the first step
  sizes: Sizes
  steps_per_epoch: int  # 0 where there are no epochs
  headline: str  # the score to watch, "bits_per_char"; lower is better
  token: str  # what is counted, "character"
  tokens_per_step: int
  vocabulary: Any  # None where the data is not text
  evaluation_streams: int  # that `evaluation` takes unless told
  record: dict[str, Any]  # what run.json says about the data

  def batch(
    self, data: Any, step: Int[Array, ""], key: Key[Array, ""]
  ) -> Batch:
    """The batch of a training step, a function of its arguments alone; runs
    inside jit."""

  def evaluation(
    self, split: str, streams: int
  ) -> tuple[Callable[[Any, Int[Array, ""]], Batch], Any, int]:
    """window(data, index) -> Batch of so many streams, its data, and the number
    of windows; the function runs inside jit."""

  def loss(self, output: Any, batch: Batch) -> Sums:
    """Summed loss of a model's output and its weight; runs inside jit."""

  def scores(self, sums: Sums) -> dict[str, float]:
    """The loss in each of the task's units."""
