"""Batches, losses and scores of a user's own arrays (`tasks/arrays.py`)."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.data.array_facts import Facts, Rows
from lstm_jax.data.buckets import Buckets, Group, by_length
from lstm_jax.data.columns import Arrays, digest
from lstm_jax.errors import ConfigError
from lstm_jax.likelihoods.registry import LIKELIHOODS
from lstm_jax.metrics.sums import Sums, nats_per_token
from lstm_jax.tasks.answers import Answers
from lstm_jax.tasks.base import Batch, Controls, Evaluation, Score
from lstm_jax.tasks.sampled_task import only_first
from lstm_jax.tasks.sequence_task import Example, as_row, asked_at_the_end

_FEW = 8  # outputs that have scores of their own


class ArraysTask:
  """Stored sequences; a batch is of one group of similar length."""

  token = "sequence"

  def __init__(
    self,
    config: Any,
    batch_size: int,
    splits: dict[str, Arrays],
    facts: Facts,
  ):
    self.config, self._facts = config, facts
    self.spec = config.spec(self.assets())
    self.headline = config.headline
    if config.goal == "next_step" and facts.classes:
      self.headline = Score(LIKELIHOODS["cross_entropy"].unit)
    self._rows = {split: facts.encode(a) for split, a in splits.items()}
    counts = {split: len(a.inputs) for split, a in splits.items()}
    smallest = counts["train"] // config.buckets
    if batch_size > smallest:
      of = (
        f"a bucket of the {config.buckets}" if config.buckets > 1 else "train"
      )
      raise ConfigError(
        f"train.batch_size: {batch_size} is more than the {smallest} samples of"
        f" {of} in {config.data}"
      )
    train = self._rows["train"]
    groups = [
      self._shortened(train, rows)
      for rows in by_length(train.lengths, config.buckets)
    ]
    self.source = Buckets(groups, batch_size)
    self.train = self.source.at(0, 1)
    self.steps_per_epoch = self.source.per_epoch
    self.tokens_per_step = batch_size
    self.rows = min(256, counts["valid"])
    self.record = {
      "corpus": config.data,
      "corpus_sha256": digest(splits),
      "sequences": counts,
      "longest": {s: int(a.lengths.max()) for s, a in splits.items()},
      "baseline": self._baseline(),
    }

  def assets(self) -> dict[str, Any]:
    return {"arrays": self._facts._asdict()}

  def _shortened(self, train: Rows, numbers: np.ndarray) -> Rows:
    """Some of the rows, as long as the longest of them."""
    x, targets, lengths = jax.tree.map(lambda a: a[numbers], train)
    longest = int(lengths.max())
    if targets is not None and not self._facts.at_end:
      targets = targets[:, :longest]
    return Rows(x[:, :longest], targets, lengths)

  def batch(
    self, data: Group, step: Int[Array, ""], key: Key[Array, ""]
  ) -> tuple[Batch, Controls]:
    rows = self.source.take(data, step, key)
    return self._batch(rows), Controls()

  def _batch(self, rows: Rows) -> Batch:
    return Batch(*jax.vmap(lambda row: as_row(self._expand(row)))(rows))

  def _expand(self, row: Rows) -> Example:
    x, target, length = row
    if target is None:
      x, target, length = x[:-1], x[1:], length - 1
    elif self._facts.at_end:
      return asked_at_the_end(x, target, length)
    mask = jnp.arange(len(x)) < length
    return Example(x, target, mask.astype(jnp.float32), mask)

  def evaluation(self, split: str, rows: int) -> Evaluation:
    stored = self._rows[split]
    total = len(stored.lengths)

    def window(data, index):
      numbers = index * rows + jnp.arange(rows)
      chosen = jnp.minimum(numbers, total - 1)
      rows_ = jax.tree.map(lambda a: jnp.asarray(a)[chosen], data)
      return only_first(self._batch(rows_), numbers, total), Controls()

    return Evaluation(window, stored, -(-total // rows))

  def loss(self, output: Any, targets: Answers) -> Sums:
    """Nats, or half the squared error of the standardised outputs, summed.

    extra: right classes; or the squared and absolute errors in the target's
    own unit, each the mean over outputs, and where there are a few, of each.
    """
    likelihood, (values, weights, *_) = output.likelihood, targets
    asked = weights > 0
    if self._facts.classes is not None:
      right = likelihood.right(values, 0.0)
      extra = {"right": (asked & right).sum().astype(jnp.float32)}
    else:
      off = likelihood.errors(values)
      own = off * jnp.asarray(self._facts.target_scale.deviations, off.dtype)
      outputs = {"": own}
      if 1 < own.shape[-1] <= _FEW:
        for number, name in enumerate(self._facts.outputs):
          outputs[f"_{name}"] = own[..., number : number + 1]
      extra = {"standardised": (jnp.square(off).mean(-1) * weights).sum()}
      for name, errors in outputs.items():
        extra |= {
          f"squared{name}": (jnp.square(errors).mean(-1) * weights).sum(),
          f"absolute{name}": (errors.mean(-1) * weights).sum(),
        }
    extra["sequences"] = asked.any(1).sum().astype(jnp.float32)
    nll = likelihood.nll(values)
    return Sums((nll * weights).sum(), weights.sum(), extra)

  def scores(self, sums: Sums) -> dict[str, float]:
    """accuracy and nats_per_step; or rmse and mae in the target's own unit, and
    squared_error, standardised: that of the training split's mean is about 1.
    """
    mean = {k: float(v) / float(sums.weight) for k, v in sums.extra.items()}
    if self._facts.classes is not None:
      nats = nats_per_token(sums)
      return {"accuracy": mean["right"], "nats_per_step": nats}
    scores = {"rmse": 0.0, "mae": 0.0, "squared_error": mean["standardised"]}
    for name, value in mean.items():
      if name.startswith("squared"):
        scores[name.replace("squared", "rmse", 1)] = value**0.5
      elif name.startswith("absolute"):
        scores[name.replace("absolute", "mae", 1)] = value
    return scores

  def describe(self, prediction: Any, batch: Batch) -> Iterator[dict[str, Any]]:
    """What was said and what was wanted, where it was asked for, a row each."""
    wanted, weights = (np.asarray(a) for a in batch.targets[:2])
    for said, right, weight in zip(prediction, wanted, weights, strict=True):
      if (asked := weight > 0).any():
        yield {
          "predicted": self._facts.in_words(np.asarray(said)[asked]),
          "target": self._facts.in_words(right[asked]),
        }

  def _known_targets(self) -> np.ndarray:
    """Those of the training split, of all timesteps side by side."""
    inputs, targets, lengths = self._rows["train"]
    if targets is not None and self._facts.at_end:
      return targets
    if targets is None:
      targets, lengths = inputs[:, 1:], lengths - 1
    return targets[np.arange(targets.shape[1]) < lengths[:, None]]

  def _baseline(self) -> dict[str, Any]:
    """The scores on the validation split of what needs no model."""
    facts, known = self._facts, self._known_targets()
    place = slice(None)  # of the outputs among the inputs
    if facts.classes is not None:
      name = "how often each class is in training"
      counts = np.bincount(known, minlength=len(facts.classes))
      constant = np.log(np.maximum(counts, 1e-3) / counts.sum())
    elif facts.goal == "next_step" or facts.outputs[0] in facts.features:
      name, constant = "the last value", None
      if facts.goal != "next_step":
        place = [facts.features.index(facts.outputs[0])]
    else:
      name, constant = "the training split's mean", known.mean(0)
    likelihood = LIKELIHOODS[self.spec.likelihood]
    window, data, windows = self.evaluation("valid", self.rows)

    @jax.jit
    def measured(data, index):
      batch, _ = window(data, index)
      if constant is None:
        z = self._as_targets(batch.inputs.x[..., place], place)
      else:
        shape = (*batch.targets.weights.shape, len(constant))
        z = jnp.broadcast_to(jnp.asarray(constant, jnp.float32), shape)
      said = SimpleNamespace(likelihood=likelihood(z))
      return self.loss(said, batch.targets)

    total = Sums(0.0, 0.0)
    for index in range(windows):
      total += jax.device_get(measured(data, index))
    return {"name": name, **self.scores(total)}

  def _as_targets(self, values, place):
    """Standardised inputs on the scale of the targets."""
    inputs, targets = (
      np.array(scale) for scale in (self._facts.scale, self._facts.target_scale)
    )
    shift = (inputs[0, place] - targets[0]) / targets[1]
    factor = inputs[1, place] / targets[1]
    return values * jnp.float32(factor) + jnp.float32(shift)
