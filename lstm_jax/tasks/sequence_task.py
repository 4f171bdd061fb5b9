"""Tasks on sequences that stand alone: sampled from a key, or stored.

A config says how one sequence is made, `sample(key)`, or which are stored; what
is here makes batches of them.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, Bool, Float, Int, Key
from lstm_jax.data.inputs import Frames, Tokens, tokens_or_frames
from lstm_jax.data.source import Memory
from lstm_jax.errors import ConfigError
from lstm_jax.likelihoods.registry import LIKELIHOODS
from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.answers import Answers, answer_scores, judge_outputs
from lstm_jax.tasks.base import (
  Batch,
  Controls,
  Evaluation,
  Score,
  Spec,
  TaskConfig,
)
from lstm_jax.tasks.sampled_task import SampledTask, only_first


class Example(NamedTuple):
  """One sequence, padded to the longest that its task makes."""

  inputs: Int[Array, "*b t"] | Float[Array, "..."]  # as `Tokens` and `Frames`
  targets: Int[Array, "*b t"] | Float[Array, "*b t k"]  # of Answers
  weights: Float[Array, "*b t"]
  mask: Bool[Array, "*b t"]  # True inside the sequence
  accepted: Bool[Array, "*b t k"] | None = None
  reference: Float[Array, "*b t k"] | None = None
  judged: Bool[Array, "*b t"] | None = None
  asked: Bool[Array, "*b t k"] | None = None


@dataclasses.dataclass(slots=True)
class SequenceTaskConfig(TaskConfig):
  """What all tasks on sequences have in common. A task says its `sizes()` and
  `sample(key)`, one Example of static shape, or overrides `load`."""

  judges_sequences: ClassVar = True
  CHOICES: ClassVar = {"loss": tuple(LIKELIHOODS)}
  RANGES: ClassVar = {
    "tolerance": (0, 10**6),
    "evaluation_sequences": (1, 10**7),
  }

  UNUSED: ClassVar[tuple[str, ...]] = ()  # fields that a task has no use for

  # "cross_entropy"; "squared_error", half of it, summed over a sequence; or
  # "binary", the cross-entropy of outputs that are each 0 or 1
  loss: str = "cross_entropy"
  # squared_error: a sequence is right if no output is off by more than this
  tolerance: float = 0.1
  # sequences of the validation split, and of the test split
  evaluation_sequences: int = 2560

  @property
  def family(self) -> str:
    return self.sizes().family

  @property
  def headline(self) -> Score:
    return Score(LIKELIHOODS[self.loss].unit)

  def unread(self, with_assets: bool) -> dict[str, str]:
    unused = {*self.UNUSED, *["tolerance"] * (self.loss != "squared_error")}
    why = f'the task "{self.name}" with the loss "{self.loss}" does not use it'
    return dict.fromkeys(sorted(unused), why)

  def sizes(self) -> Spec:
    """The family of the inputs, their size and that of the outputs."""
    raise NotImplementedError

  def sample(self, key: Key[Array, ""]) -> Example:
    """Draws a sequence; runs inside jit."""
    raise NotImplementedError

  def spec(self, assets: dict[str, Any] | None = None) -> Spec:
    return self.sizes()._replace(likelihood=self.loss)

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> "SequenceTask":
    return SequenceTask(self, batch_size)


class SequenceTask(SampledTask):
  """Freshly drawn sequences."""

  def __init__(self, config: SequenceTaskConfig, batch_size: int):
    super().__init__(config, batch_size, lambda key: as_row(config.sample(key)))

  def loss(self, output: Any, targets: Answers) -> Sums:
    return judge_outputs(output.likelihood, targets, self.config.tolerance)

  def describe(self, prediction: Any, batch: Batch) -> Iterator[dict[str, Any]]:
    """What was said and what was wanted, where it was asked for, a row each."""
    wanted, weights = (np.asarray(a) for a in batch.targets[:2])
    for said, right, weight in zip(prediction, wanted, weights, strict=True):
      if (asked := weight > 0).any():
        yield {
          "predicted": np.asarray(said)[asked].tolist(),
          "target": right[asked].tolist(),
        }

  def scores(self, sums: Sums) -> dict[str, float]:
    return answer_scores(sums, self.headline.name)


class StoredTask(SequenceTask):
  """Sequences that are given, in epochs of a new order each.

  stored: for "train", "valid" and "test", arrays with a leading axis, a row
    for each sequence: Examples, or what `expand` makes one Example of, inside
    jit. Bytes take a quarter of the memory of numbers.
  """

  def __init__(
    self,
    config: SequenceTaskConfig,
    batch_size: int,
    stored: dict[str, Any],
    record: dict[str, Any],
    expand: Callable[[Any], Example] = lambda row: row,
  ):
    super().__init__(config, batch_size)
    self.source, self._stored = Memory(stored["train"]), stored
    self.record = record
    self._expand = expand
    self._count = _rows(stored["train"])
    if batch_size > self._count:
      raise ConfigError(
        f"train.batch_size: {batch_size} is more than the {self._count}"
        " sequences of the training split"
      )
    self.steps_per_epoch = self._count // batch_size

  def batch(
    self, data: Any, step: Int[Array, ""], key: Key[Array, ""]
  ) -> tuple[Batch, Controls]:
    epoch, place = jnp.divmod(step, self.steps_per_epoch)
    order = jax.random.permutation(jax.random.fold_in(key, epoch), self._count)
    rows = jax.lax.dynamic_slice_in_dim(
      order, place * self._batch_size, self._batch_size
    )
    return self._take(data, rows), Controls()

  def _take(self, data, rows) -> Batch:
    chosen = jax.tree.map(lambda a: jnp.asarray(a)[rows], data)
    return Batch(*jax.vmap(lambda row: as_row(self._expand(row)))(chosen))

  def evaluation(self, split: str, rows: int) -> Evaluation:
    stored = self._stored[split]
    total = _rows(stored)

    def window(data, index):
      numbers = index * rows + jnp.arange(rows)
      batch = self._take(data, jnp.minimum(numbers, total - 1))
      return only_first(batch, numbers, total), Controls()

    return Evaluation(window, stored, -(-total // rows))


def _rows(stored) -> int:
  return len(jax.tree.leaves(stored)[0])


def as_row(example: Example) -> tuple[Tokens | Frames, Answers]:
  """Inputs and targets of an example, or of several [b ...]."""
  inputs, values, weights, mask, *judging = example
  return tokens_or_frames(inputs, mask), Answers(values, weights, *judging)


def class_targets(
  loss: str, classes: Int[Array, "*t"], count: int
) -> Int[Array, "*t"] | Float[Array, "*t k"]:
  """Classes as the loss takes them: numbers, or one-hot for squared_error."""
  if loss == "cross_entropy":
    return classes
  return jax.nn.one_hot(classes, count)


def asked_at_the_end(
  inputs: Int[Array, "t"] | Float[Array, "t ..."],
  target: Int[Array, ""] | Float[Array, "k"],
  length: Int[Array, ""] | int,
) -> Example:
  """A sequence of the first `length` steps, whose one target is at the last."""
  step = jnp.arange(len(inputs))
  return Example(
    inputs=inputs,
    targets=jnp.broadcast_to(target, (len(inputs), *target.shape)),
    weights=jnp.where(step == length - 1, 1.0, 0.0),
    mask=step < length,
  )
