"""What a task is: data, a loss and the unit that the loss is reported in.

A batch is a function of the data, the step and the key alone, so that a run
resumes from one integer. A task knows nothing of models.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

from lstm_jax.array_types import Array, Bool, Float, Int, Key
from lstm_jax.data.source import Source
from lstm_jax.metrics.sums import Sums
from lstm_jax.search.base import SearchConfig


class Batch(NamedTuple):
  """Rows, which devices may share: every leaf is [b ...]. Shapes are a function
  of what `Task.source` gives, so that a program is compiled once for each."""

  inputs: Any  # a family of `data/inputs.py`: what the model reads
  targets: Any  # what `Task.loss` and `Task.judge` read, with its weights


class Controls(NamedTuple):
  """What a step says of itself and not of its rows."""

  restart: Bool[Array, ""] | bool = True  # the carried state starts afresh
  rate: Float[Array, ""] | float = 1.0  # factor on the learning rate


class Targets(NamedTuple):
  """The next token at every step of a text."""

  tokens: Int[Array, "b t"]
  weights: Float[Array, "b t"]  # 0 for padding


class Score(NamedTuple):
  """The score to watch: the best checkpoint, schedules that look at validation
  and sweeps go by it."""

  name: str  # "bits_per_char"
  higher: bool = False  # whether more is better

  def cost(self, value: float) -> float:
    """What is to be as low as possible."""
    return -value if self.higher else value

  value = cost  # and back again


class Spec(NamedTuple):
  """What a model must fit."""

  family: str  # "text", "tokens", "frames" or "pairs"
  # how many symbols there are, or features of a frame; images are (y, x, d)
  inputs: Any
  outputs: int  # how many symbols or numbers are said
  likelihood: str = "cross_entropy"  # one of LIKELIHOODS


class Evaluation(NamedTuple):
  """A split in windows of so many rows."""

  window: Callable[[Any, Any], tuple[Batch, Controls]]  # inside jit
  data: Any  # what it reads
  windows: int


@dataclasses.dataclass(slots=True)
class TaskConfig:
  """What a config file says of a task."""

  # what `Spec.family` will be; empty where the data must be read to know
  family: ClassVar[str] = ""
  headline: ClassVar[Score]
  # what is asked of a sequence: "one" answer, answers at several "steps", or
  # the "next" input at each, which nothing may read before
  asks: ClassVar[str] = "one"
  # each sequence is right or wrong, which stopping rules count
  judges_sequences: ClassVar[bool] = False

  name: str = ""

  def check(self):
    """What fields say together.

    Raises:
      ConfigError: names the field and what it may be.
    """

  def unread(self, with_assets: bool) -> dict[str, str]:
    """Why nothing reads a field, for each that nothing reads.

    with_assets: the assets are another run's.
    """
    return {}

  def spec(self, assets: dict[str, Any] | None = None) -> Spec | None:
    """What a model must fit; None where it takes assets, or the data itself, to
    know."""

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> "Task":
    """Makes the task, once a process.

    assets: where they are those of another run, or of the run that goes on.

    Raises:
      DataError: its data cannot be used.
    """
    raise NotImplementedError


@runtime_checkable
class Task(Protocol):
  config: Any
  source: Source  # of the arrays that `batch` reads, passed through jit
  spec: Spec
  steps_per_epoch: int  # 0 where there are no epochs
  headline: Score
  token: str  # what is counted, "character"
  tokens_per_step: int
  rows: int  # that `evaluation` takes unless told
  record: dict[str, Any]  # what run.json says about the data

  def assets(self) -> dict[str, Any]:
    """What it takes besides parameters to use a model: vocabularies, means,
    alphabets, as JSON. Kept with the run, so that nobody needs its data."""
    ...

  def batch(
    self, data: Any, step: Int[Array, ""], key: Key[Array, ""]
  ) -> tuple[Batch, Controls]:
    """The batch of a training step, a function of its arguments alone; runs
    inside jit."""
    ...

  def evaluation(self, split: str, rows: int) -> Evaluation:
    """A split, so many rows at a time."""
    ...

  def loss(self, output: Any, targets: Any) -> Sums:
    """Summed loss of a model's output and its weight; runs inside jit."""
    ...

  def scores(self, sums: Sums) -> dict[str, float]:
    """The loss in each of the task's units."""
    ...


# What some tasks and configs have besides. Whoever needs it asks by isinstance.


@runtime_checkable
class StreamTask(Task, Protocol):
  """A task whose rows are read in windows, one after the other, with targets of
  the class `Targets`."""

  window: int  # steps of one

  def evaluation(self, split: str, rows: int, window: int = 0) -> Evaluation:
    """window: steps of one; 0 is the task's."""
    ...


@runtime_checkable
class DecodedTask(Protocol):
  """A task, or its config, whose answers are found symbol by symbol."""

  end: int  # the symbol that ends an answer
  answer_length: int  # the most symbols of one, unless a search says


@runtime_checkable
class JudgingTask(Protocol):
  def judge(self, prediction: Any, batch: Batch) -> dict[str, Any]:
    """Counts on the host, which are added up and handed to `scores`."""
    ...


@runtime_checkable
class DescribingTask(Protocol):
  def describe(self, prediction: Any, batch: Batch) -> Iterator[dict[str, Any]]:
    """What was said and what was wanted, JSON of a row each."""
    ...


@runtime_checkable
class GeneratingConfig(Protocol):
  """The config of a task that `generate` can serve."""

  def usual_search(self) -> SearchConfig: ...

  def request(self, lines: list[str], assets: dict[str, Any]) -> Any:
    """What is asked, as a model reads it.

    Raises:
      DataError: a line cannot be read.
    """
    ...


@runtime_checkable
class SpeakingConfig(GeneratingConfig, Protocol):
  """One whose symbols go on from a line, and can be said as they come."""

  def unspoken(self, assets: dict[str, Any]) -> tuple[int, ...]:
    """Symbols that are never made."""
    ...

  def restart(self, assets: dict[str, Any]) -> int | None:
    """The symbol that begins a document: the state starts afresh before it."""
    ...

  def spoken(
    self, blocks: Iterable[np.ndarray], assets: dict[str, Any], prompt: str = ""
  ) -> Iterator[str]:
    """The text of symbols after a prompt."""
    ...


@runtime_checkable
class AnsweringConfig(GeneratingConfig, Protocol):
  """One with whole answers to its lines."""

  def say(self, prediction: Any, assets: dict[str, Any]) -> list[str]:
    """Lines of text."""
    ...


@runtime_checkable
class ShowingConfig(Protocol):
  def show(
    self,
    prediction: Any,
    inputs: Any,
    assets: dict[str, Any],
    folder: pathlib.Path,
  ) -> list[pathlib.Path]:
    """The files that were written there, of answers to `request`."""
    ...
