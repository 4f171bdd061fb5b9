"""What scores are worth: models that no gradient has trained.

Of symbols to be said these are n-grams, of which n = 1 is how frequent each is;
of numbers, the mean of the training targets, and the last value: the present
input, said again. They are estimated on training batches, and scored as any
model is, by the task's own `loss` and `scores`.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, ArrayLike, Bool, Float, Int
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.ngram import NGram, count_ngrams
from lstm_jax.likelihoods.registry import LIKELIHOODS
from lstm_jax.metrics.sums import Sums
from lstm_jax.models.base import Output
from lstm_jax.models.window import NOTHING, last_inputs
from lstm_jax.tasks.base import Batch, Task
from lstm_jax.training.step import DATA, rows_of

# What a baseline says of a batch: (inputs, contexts) -> likelihood.
Say = Callable[[Any, Array], Any]


@dataclasses.dataclass(frozen=True)
class NGramLikelihood:
  """What follows these contexts; probabilities are looked up when asked for."""

  model: NGram
  contexts: Int[Array, "b t m"]
  order: int

  def logits(self) -> Float[Array, "b t v"]:
    every = np.arange(self.model.outcomes)
    contexts = self.contexts[..., None, :]
    return np.log(self.model.probability(contexts, every, self.order))

  def nll(self, targets: ArrayLike) -> Float[Array, "b t"]:
    targets = np.asarray(targets)
    return -np.log(self.model.probability(self.contexts, targets, self.order))

  def errors(self, targets: ArrayLike) -> Float[Array, "b t 1"]:
    return -np.expm1(-self.nll(targets)[..., None])

  def mode(self) -> Int[Array, "b t"]:
    return self.logits().argmax(-1)

  def right(self, targets: ArrayLike, tolerance: float) -> Bool[Array, "b t"]:
    return self.mode() == np.asarray(targets)


def estimate_baselines(
  task: Task, batches: int, orders: int, seed: int = 0
) -> dict[str, Say]:
  """The baselines that fit a task, by name.

  batches: training batches to read; 0 is an epoch.
  orders: n of the longest n-gram.
  seed: of the training's order, and of what is sampled.

  Raises:
    ConfigError: there is no epoch, and no number of batches.
  """
  batches = batches or task.steps_per_epoch
  if not batches:
    raise ConfigError(
      f'batches: the task "{task.config.name}" has no epochs; say how many,'
      " as batches=100"
    )
  seen = _training_batches(task, batches, orders, seed)
  if task.spec.likelihood == "cross_entropy":
    return _ngrams(task.spec, seen)
  return _of_numbers(task.spec, seen)


def score_baselines(
  task: Task, split: str, baselines: dict[str, Say], orders: int
) -> dict[str, Sums]:
  """The sums of each on a split, in the windows and rows of `evaluate`.

  orders: as they were estimated.
  """
  window, data, windows = task.evaluation(split, task.rows)
  cut, last = _with_contexts(window), _nothing(task.rows, orders)
  data, totals = jax.device_put(data), dict.fromkeys(baselines, Sums(0.0, 0.0))
  for index in range(windows):
    *known, last = cut(last, data, index)
    batch, contexts = jax.device_get(known)
    none = np.zeros((*batch.targets[1].shape, 0), np.float32)  # no features
    for name, say in baselines.items():
      output = Output(none, (), say(batch.inputs, contexts))
      sums = task.loss(output, batch.targets)
      totals[name] += jax.tree.map(lambda a: np.asarray(a, np.float64), sums)
  return totals


def _nothing(rows, orders) -> Int[Array, "b n"]:
  return jnp.full((rows, max(orders - 2, 0)), NOTHING, jnp.int32)


def _with_contexts(cut: Callable) -> Callable:
  """(symbols before the batch, arguments of `cut`) -> batch, the last inputs of
  each step where these are symbols, the newest first, and the symbols to go on
  with."""

  @jax.jit
  def cut_both(last, *arguments):
    batch, controls = cut(*arguments)
    inputs = batch.inputs
    if hasattr(inputs, "before"):  # of a pair
      x, mask, reset = inputs.before, inputs.before_mask, None
    else:
      x, mask, reset = (*inputs, None)[:3]
    assert x is not None
    if not jnp.issubdtype(x.dtype, jnp.integer):
      return batch, jnp.zeros((*x.shape[:2], 0), jnp.int32), last
    last = jnp.where(controls.restart, NOTHING, last)
    windows, last = last_inputs(x, last, mask, reset)
    return batch, windows[..., ::-1], last

  return cut_both


def _training_batches(
  task, batches, orders, seed
) -> Iterator[tuple[Batch, Int[Array, "b t m"]]]:
  cut, key = _with_contexts(task.batch), jax.random.key(seed)
  key = jax.random.fold_in(jax.random.fold_in(key, 1), DATA)  # as in training
  data = task.source.at(0, 1)
  batch, _ = jax.eval_shape(task.batch, data, 0, key)
  last = _nothing(rows_of(batch), orders)
  for step in range(batches):
    *known, last = cut(last, task.source.at(step, 1), step, key)
    batch, contexts = jax.device_get(known)
    yield batch, contexts[..., : orders - 1]


def _ngrams(spec, seen) -> dict[str, Say]:
  symbols = spec.inputs if isinstance(spec.inputs, int) else 1
  contexts, outcomes = [], []
  for batch, before in seen:
    targets, weights = batch.targets[:2]
    kind = np.min_scalar_type(-max(symbols, spec.outputs))  # a corpus is large
    contexts.append(before[weights > 0].astype(kind))
    outcomes.append(targets[weights > 0].astype(kind))
  contexts, outcomes = np.concatenate(contexts), np.concatenate(outcomes)
  model = count_ngrams(contexts, outcomes, symbols, spec.outputs)

  def make(order):
    return lambda inputs, contexts: NGramLikelihood(model, contexts, order)

  return {f"{n}-gram": make(n) for n in range(1, len(model.levels) + 1)}


def _of_numbers(spec, seen) -> dict[str, Say]:
  """Means; of outputs that are 0 or 1 how often they are 1, given the last
  value or not, each count with a half more (Krichevsky & Trofimov 1981)."""
  binary = spec.likelihood == "binary"
  sums = np.zeros((2, 2, spec.outputs))  # [last value, sum or count, output]
  again = False
  for batch, _ in seen:
    targets, weights = batch.targets[:2]
    asked = getattr(batch.targets, "asked", None)
    asked = (weights > 0)[..., None] & (True if asked is None else asked)
    x = getattr(batch.inputs, "x", None)
    again = x is not None and x.shape == targets.shape
    last = np.zeros(targets.shape, bool)
    if x is not None and again and binary:
      last = x > 0.5
    for value in (False, True):
      here = asked & (last == value)
      sums[int(value)] += (targets * here).sum((0, 1)), here.sum((0, 1))

  def estimate(total, count):
    if not binary:
      return total / np.maximum(count, 1)
    p = (total + 0.5) / (count + 1)
    return np.log(p / (1 - p))

  mean = estimate(*sums.sum(0))
  off, on = (estimate(*each) for each in sums)
  likelihood = LIKELIHOODS[spec.likelihood]

  def say_mean(inputs, contexts):
    z = np.broadcast_to(mean, (*contexts.shape[:2], spec.outputs))
    return likelihood(jnp.asarray(z, jnp.float32))

  def say_last(inputs, contexts):
    z = np.where(inputs.x > 0.5, on, off) if binary else inputs.x
    return likelihood(jnp.asarray(z, jnp.float32))

  return {"mean": say_mean} | ({"last value": say_last} if again else {})
