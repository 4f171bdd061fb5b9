"""What a task is: data, a loss and the unit that the loss is reported in.

A batch is a function of the data and the step alone, so that a run resumes
from one integer. A task knows nothing of models.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from lstm_jax.array_types import Array, Bool, Float, Int
from lstm_jax.metrics import Sums


class Batch(NamedTuple):
  """One window of every stream. Shapes never change, so nothing recompiles."""

  inputs: Int[Array, "b t"]
  targets: Int[Array, "b t"]
  weights: Float[Array, "b t"]  # 0 for padding
  restart: Bool[Array, ""]  # the carried state starts from zero here


@runtime_checkable
class Task(Protocol):
  """Made by a task config's `load`, once a process."""

  train: Any  # arrays that `batch` reads, passed through jit as an argument
  steps_per_epoch: int
  headline: str  # the score to watch, "bits_per_char"; lower is better
  token: str  # what is counted, "character"
  vocabulary: Any  # len() of it is the number of symbols
  record: dict[str, Any]  # what run.json says about the data

  def batch(self, data: Any, step: Int[Array, ""]) -> Batch:
    """The batch of a training step; runs inside jit."""

  def evaluation(self, split: str, streams: int) -> tuple[Any, int]:
    """Arrays of a split laid out as so many streams, and its number of
    batches."""

  def loss(self, output: Any, batch: Batch) -> Sums:
    """Summed loss of a model's output and its weight; runs inside jit."""

  def scores(self, sums: Sums) -> dict[str, float]:
    """The loss in each of the task's units."""
