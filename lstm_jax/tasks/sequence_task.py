"""Tasks on sequences that stand alone: sampled from a key, or stored.

A config says how one sequence is made, `sample(key)`, or which are stored; what
is here makes batches of them, losses, and the counts that stopping rules and
tables need.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Int, Key
from lstm_jax.data.source import Memory
from lstm_jax.errors import ConfigError
from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.base import Batch, Sizes, TaskConfig

LOSSES = ("cross_entropy", "squared_error", "binary")
SPLITS = ("valid", "test")


class Example(NamedTuple):
  """One sequence, padded to the longest that its task makes."""

  inputs: Int[Array, "*b t"] | Float[Array, "*b t d"]  # symbols, or numbers
  targets: Int[Array, "*b t"] | Float[Array, "*b t k"]  # classes, or numbers
  weights: Float[Array, "*b t"]  # 0 where no output is asked for
  mask: Bool[Array, "*b t"]  # True inside the sequence
  # outputs that are right, where the target is one of several
  accepted: Bool[Array, "*b t k"] | None = None
  # what outputs are judged by, where the targets are noisy
  reference: Float[Array, "*b t k"] | None = None
  # where outputs are judged, if not at every step that is asked for
  judged: Bool[Array, "*b t"] | None = None
  # squared_error: which outputs are asked for, if not all of a step's
  asked: Bool[Array, "*b t k"] | None = None


@dataclasses.dataclass(slots=True)
class SequenceTaskConfig(TaskConfig):
  """What all tasks on sequences have in common. A task says its `sizes()` and
  `sample(key)`, one Example of static shape, or overrides `load`."""

  CHOICES: ClassVar = {"loss": LOSSES}
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

  def load(self, batch_size: int, vocabulary: None = None) -> "SequenceTask":
    return SequenceTask(self, batch_size)


class SequenceTask:
  """Batches of freshly sampled sequences; no two are the same by plan.

  A validation split and a test split are sequences of their own keys, the same
  for every run.
  """

  train = ()
  steps_per_epoch = 0  # there are none
  token = "sequence"
  vocabulary = None

  def __init__(
    self,
    config: SequenceTaskConfig,
    batch_size: int,
    sizes: Sizes | None = None,
  ):
    self.config = config
    self.sizes = config.sizes() if sizes is None else sizes
    self.tokens_per_step = self._batch_size = batch_size
    self.record = {"corpus": f"generated: {config.name}"}
    self.evaluation_streams = min(256, config.evaluation_sequences)
    self.headline = {
      "cross_entropy": "nats_per_step",
      "squared_error": "squared_error",
      "binary": "nats_per_frame",
    }[config.loss]

  @property
  def source(self) -> Memory:
    return Memory(self.train)

  def batch(self, data: Any, step: Int[Array, ""], key: Key[Array, ""]):
    keys = jax.random.split(jax.random.fold_in(key, step), self._batch_size)
    return as_batch(jax.vmap(self.config.sample)(keys))

  def evaluation(self, split: str, streams: int):
    key = jax.random.fold_in(jax.random.key(0), 1 + SPLITS.index(split))
    total = self.config.evaluation_sequences

    def window(key, index):
      numbers = index * streams + jnp.arange(streams)
      keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(numbers)
      return only_first(
        as_batch(jax.vmap(self.config.sample)(keys)), numbers, total
      )

    return window, key, -(-total // streams)

  def loss(self, output: Any, batch: Batch) -> Sums:
    return measure(self.config.loss, self.config.tolerance, output, batch)

  def scores(self, sums: Sums) -> dict[str, float]:
    return scores(self.config.loss, sums)


class StoredTask(SequenceTask):
  """Sequences that are given, in epochs of a new order each.

  stored: for "train", "valid" and "test", arrays with a leading axis, a row
    for each sequence: Examples, or what `expand` makes one Example of, inside
    jit. Bytes take a quarter of the memory of numbers.
  sizes: those of the config unless they depend on the data.
  """

  def __init__(
    self,
    config: SequenceTaskConfig,
    batch_size: int,
    stored: dict[str, Any],
    record: dict[str, Any],
    expand: Callable[[Any], Example] = lambda row: row,
    sizes: Sizes | None = None,
  ):
    super().__init__(config, batch_size, sizes)
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
    return self._take(data, rows)

  def _take(self, data, rows):
    chosen = jax.tree.map(lambda a: jnp.asarray(a)[rows], data)
    return as_batch(jax.vmap(self._expand)(chosen))

  def evaluation(self, split: str, streams: int):
    stored = self._stored[split]
    total = _rows(stored)

    def window(data, index):
      numbers = index * streams + jnp.arange(streams)
      batch = self._take(data, jnp.minimum(numbers, total - 1))
      return only_first(batch, numbers, total)

    return window, stored, -(-total // streams)


def _rows(stored) -> int:
  return len(jax.tree.leaves(stored)[0])


def as_batch(examples: Example) -> Batch:
  """A batch of examples [b ...]; each starts from the initial state."""
  return Batch(**examples._asdict(), restart=jnp.ones((), bool))


def only_first(batch: Batch, numbers: Int[Array, "b"], total: int) -> Batch:
  """Leaves out the rows whose number is not below `total`."""
  keep = (numbers < total)[:, None]
  return batch._replace(weights=batch.weights * keep)


def measure(loss: str, tolerance: float, output: Any, batch: Batch) -> Sums:
  """The loss, and in `extra` sums over the steps that count and the sequences.

  extra: steps that are judged and how many of them are right; sequences, how
    many are wrong in at least one of those steps, and the share of these steps
    that each has right, summed; the squared and the absolute error, each the
    mean over outputs summed over steps. The error of a probability is what the
    target's lacks to 1.
  """
  asked = batch.weights > 0
  judged = asked if batch.judged is None else asked & batch.judged
  if loss == "squared_error":
    values = output.values()
    wanted = batch.targets if batch.reference is None else batch.reference
    squared = 0.5 * jnp.square(values - batch.targets)
    squared = squared.sum(-1, where=batch.asked)
    nats, weight = (squared * batch.weights).sum(), asked.any(1).sum()
    off = jnp.abs(values - wanted)
    right = off.max(-1) <= tolerance
    if batch.accepted is not None:
      right = _all_accepted(values, batch.accepted)
  elif loss == "binary":
    logits = output.logits()
    nll = jax.nn.softplus(logits) - batch.targets * logits
    nats = (nll.sum(-1) * batch.weights).sum()
    weight = batch.weights.sum()
    off = -jnp.expm1(-nll)
    right = ((logits > 0) == (batch.targets > 0.5)).all(-1)
  else:
    nll = output.nll(batch.targets)
    nats, weight = (nll * batch.weights).sum(), batch.weights.sum()
    logits = output.logits()
    off = -jnp.expm1(-nll[..., None])
    right = logits.argmax(-1) == batch.targets
    if batch.accepted is not None:
      right = _all_accepted(logits, batch.accepted)
  wrong = (judged & ~right).any(1)
  share = (judged & right).sum(1) / jnp.maximum(judged.sum(1), 1)
  extra = {
    "squared": (jnp.square(off).mean(-1) * judged).sum(),
    "absolute": (off.mean(-1) * judged).sum(),
    "steps": judged.sum(),
    "right": (judged & right).sum(),
    "sequences": judged.any(1).sum(),
    "wrong": wrong.sum(),
    "share": share.sum(),
  }
  extra = jax.tree.map(lambda a: a.astype(jnp.float32), extra)
  return Sums(nats, weight.astype(jnp.float32), extra)


def _all_accepted(values, accepted):
  """Every accepted output is above every other one."""
  least = jnp.where(accepted, values, jnp.inf).min(-1)
  return least > jnp.where(accepted, -jnp.inf, values).max(-1)


def scores(loss: str, sums: Sums) -> dict[str, float]:
  """The sums of `measure` as means.

  accuracy: right steps of those judged; sequence_accuracy: the same in each
  sequence, averaged over them, however long they are; wrong_sequences: the
  fraction with at least one wrong step.
  """
  extra = {name: float(value) for name, value in sums.extra.items()}
  steps, sequences = extra["steps"], extra["sequences"]
  common = {
    "accuracy": extra["right"] / steps,
    "sequence_accuracy": extra["share"] / sequences,
    "wrong_sequences": extra["wrong"] / sequences,
  }
  if loss == "squared_error":
    return {
      "squared_error": extra["squared"] / steps,
      "absolute_error": extra["absolute"] / steps,
    } | common
  name = "nats_per_frame" if loss == "binary" else "nats_per_step"
  return {name: float(sums.nats) / float(sums.weight)} | common
