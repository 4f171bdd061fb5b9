"""Tasks on sequences that stand alone: sampled from a key, or stored.

A config says how one sequence is made, `sample(key)`, or which are stored; what
is here makes batches of them, losses, and the counts that stopping rules and
tables need.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, Bool, Float, Int, Key
from lstm_jax.data.inputs import tokens_or_frames
from lstm_jax.data.source import Memory
from lstm_jax.errors import ConfigError
from lstm_jax.likelihoods.registry import LIKELIHOODS
from lstm_jax.likelihoods.squared_error import SquaredError
from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.base import (
  Batch,
  Controls,
  Evaluation,
  Score,
  Spec,
  TaskConfig,
)

SPLITS = ("valid", "test")


class Answers(NamedTuple):
  """What is asked of sequences, and by what it is judged."""

  values: Int[Array, "*b t"] | Float[Array, "*b t k"]  # classes, or numbers
  weights: Float[Array, "*b t"]  # 0 where no output is asked for
  # outputs that are right, where the target is one of several
  accepted: Bool[Array, "*b t k"] | None = None
  # what outputs are judged by, where the targets are noisy
  reference: Float[Array, "*b t k"] | None = None
  # where outputs are judged, if not at every step that is asked for
  judged: Bool[Array, "*b t"] | None = None
  # squared_error: which outputs are asked for, if not all of a step's
  asked: Bool[Array, "*b t k"] | None = None


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

  def spec(self, assets: dict[str, Any] | None = None) -> Spec:
    return self.sizes()._replace(likelihood=self.loss)

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> "SequenceTask":
    return SequenceTask(self, batch_size)


class SequenceTask:
  """Batches of freshly sampled sequences; no two are the same by plan.

  A validation split and a test split are sequences of their own keys, the same
  for every run.
  """

  train = ()
  steps_per_epoch = 0  # there are none
  token = "sequence"

  def __init__(self, config: SequenceTaskConfig, batch_size: int):
    self.config, self.spec = config, config.spec()
    self.headline = config.headline
    self.tokens_per_step = self._batch_size = batch_size
    self.record = {"corpus": f"generated: {config.name}"}
    self.rows = min(256, config.evaluation_sequences)

  def assets(self) -> dict[str, Any]:
    return {}

  @property
  def source(self) -> Memory:
    return Memory(self.train)

  def batch(self, data: Any, step: Int[Array, ""], key: Key[Array, ""]):
    keys = jax.random.split(jax.random.fold_in(key, step), self._batch_size)
    return as_batch(jax.vmap(self.config.sample)(keys))

  def evaluation(self, split: str, rows: int) -> Evaluation:
    key = jax.random.fold_in(jax.random.key(0), 1 + SPLITS.index(split))
    total = self.config.evaluation_sequences

    def window(key, index):
      numbers = index * rows + jnp.arange(rows)
      keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(numbers)
      return only_first(jax.vmap(self.config.sample)(keys), numbers, total)

    return Evaluation(window, key, -(-total // rows))

  def loss(self, output: Any, targets: Answers) -> Sums:
    return measure(output.likelihood, targets, self.config.tolerance)

  def describe(
    self, prediction: Any, batch: Batch
  ) -> Iterator[dict[str, list]]:
    """What was said and what was wanted, where it was asked for, a row each."""
    wanted, weights = (np.asarray(a) for a in batch.targets[:2])
    for said, right, weight in zip(prediction, wanted, weights, strict=True):
      if (asked := weight > 0).any():
        yield {
          "predicted": np.asarray(said)[asked].tolist(),
          "target": right[asked].tolist(),
        }

  def scores(self, sums: Sums) -> dict[str, float]:
    return mean_scores_of(sums, self.headline.name)


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
    self.train, self._stored = stored["train"], stored
    self.record = record
    self._expand = expand
    self._count = _rows(self.train)
    if batch_size > self._count:
      raise ConfigError(
        f"train.batch_size: {batch_size} is more than the {self._count}"
        " sequences of the training split"
      )
    self.steps_per_epoch = self._count // batch_size

  def batch(self, data: Any, step: Int[Array, ""], key: Key[Array, ""]):
    epoch, place = jnp.divmod(step, self.steps_per_epoch)
    order = jax.random.permutation(jax.random.fold_in(key, epoch), self._count)
    rows = jax.lax.dynamic_slice_in_dim(
      order, place * self._batch_size, self._batch_size
    )
    return as_batch(self._take(data, rows))

  def _take(self, data, rows) -> Example:
    chosen = jax.tree.map(lambda a: jnp.asarray(a)[rows], data)
    return jax.vmap(self._expand)(chosen)

  def evaluation(self, split: str, rows: int) -> Evaluation:
    stored = self._stored[split]
    total = _rows(stored)

    def window(data, index):
      numbers = index * rows + jnp.arange(rows)
      examples = self._take(data, jnp.minimum(numbers, total - 1))
      return only_first(examples, numbers, total)

    return Evaluation(window, stored, -(-total // rows))


def _rows(stored) -> int:
  return len(jax.tree.leaves(stored)[0])


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


def as_batch(examples: Example) -> tuple[Batch, Controls]:
  """A batch of examples [b ...]; each starts from the initial state."""
  inputs, values, weights, mask, *judging = examples
  answers = Answers(values, weights, *judging)
  return Batch(tokens_or_frames(inputs, mask), answers), Controls()


def only_first(
  examples: Example, numbers: Int[Array, "b"], total: int
) -> tuple[Batch, Controls]:
  """A batch without the rows whose number is not below `total`."""
  weights = examples.weights * (numbers < total)[:, None]
  return as_batch(examples._replace(weights=weights))


def measure(likelihood: Any, targets: Answers, tolerance: float) -> Sums:
  """The loss, and in `extra` sums over the steps that count and the sequences.

  The loss is a mean over the steps that are asked for; of a squared error, over
  sequences.

  extra: steps that are judged and how many of them are right; sequences, how
    many are wrong in at least one of those steps, and the share of these steps
    that each has right, summed; the squared and the absolute error, each the
    mean over outputs summed over steps. The error of a probability is what the
    target's lacks to 1.
  """
  values, weights = targets.values, targets.weights
  asked = weights > 0
  judged = asked if targets.judged is None else asked & targets.judged
  if isinstance(likelihood, SquaredError):
    nll, weight = likelihood.nll(values, targets.asked), asked.any(1).sum()
  else:
    nll, weight = likelihood.nll(values), weights.sum()
  wanted = values if targets.reference is None else targets.reference
  off = likelihood.errors(wanted)
  if targets.accepted is None:
    right = likelihood.right(wanted, tolerance)
  else:
    right = _all_accepted(likelihood.logits(), targets.accepted)
  share = (judged & right).sum(1) / jnp.maximum(judged.sum(1), 1)
  extra = {
    "squared": (jnp.square(off).mean(-1) * judged).sum(),
    "absolute": (off.mean(-1) * judged).sum(),
    "steps": judged.sum(),
    "right": (judged & right).sum(),
    "sequences": judged.any(1).sum(),
    "wrong": (judged & ~right).any(1).sum(),
    "share": share.sum(),
  }
  extra = jax.tree.map(lambda a: a.astype(jnp.float32), extra)
  return Sums((nll * weights).sum(), weight.astype(jnp.float32), extra)


def _all_accepted(values, accepted):
  """Every accepted output is above every other one."""
  least = jnp.where(accepted, values, jnp.inf).min(-1)
  return least > jnp.where(accepted, -jnp.inf, values).max(-1)


def mean_scores_of(sums: Sums, headline: str) -> dict[str, float]:
  """The sums of `measure` as means.

  accuracy: right steps of those judged; sequence_accuracy: the same in each
  sequence, averaged over them, however long they are; wrong_sequences: the
  fraction with at least one wrong step.
  """
  extra = {name: float(value) for name, value in sums.extra.items()}
  steps, sequences = extra["steps"], extra["sequences"]
  if headline == SquaredError.unit:
    main = {
      headline: extra["squared"] / steps,
      "absolute_error": extra["absolute"] / steps,
    }
  else:
    main = {headline: float(sums.nats) / float(sums.weight)}
  return main | {
    "accuracy": extra["right"] / steps,
    "sequence_accuracy": extra["share"] / sequences,
    "wrong_sequences": extra["wrong"] / sequences,
  }
