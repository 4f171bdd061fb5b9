"""Tasks whose rows are drawn from a key, each anew."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.data.source import Memory
from lstm_jax.tasks.base import Batch, Controls, Evaluation

SPLITS = ("valid", "test")
Draw = Callable[[Key[Array, ""]], tuple[Any, Any]]


class SampledTask:
  """Batches of freshly drawn rows; no two are the same by plan.

  A validation split and a test split are rows of their own keys, the same for
  every run. A task adds `loss` and `scores`.

  draw: inputs and targets of a row, of static shape; inside jit. The targets
    have `weights` [t].
  """

  steps_per_epoch = 0  # there are none
  token = "sequence"

  def __init__(self, config: Any, batch_size: int, draw: Draw):
    self.config, self.spec = config, config.spec()
    self.headline = config.headline
    self.source = Memory(())
    self.tokens_per_step = self._batch_size = batch_size
    self.record: dict[str, Any] = {"corpus": f"generated: {config.name}"}
    self.rows = min(256, config.evaluation_sequences)
    self._draw = draw

  def assets(self) -> dict[str, Any]:
    return {}

  def batch(
    self, data: Any, step: Int[Array, ""], key: Key[Array, ""]
  ) -> tuple[Batch, Controls]:
    keys = jax.random.split(jax.random.fold_in(key, step), self._batch_size)
    return Batch(*jax.vmap(self._draw)(keys)), Controls()

  def evaluation(self, split: str, rows: int) -> Evaluation:
    key = jax.random.fold_in(jax.random.key(0), 1 + SPLITS.index(split))
    total = self.config.evaluation_sequences

    def window(key, index):
      numbers = index * rows + jnp.arange(rows)
      keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(numbers)
      batch = Batch(*jax.vmap(self._draw)(keys))
      return only_first(batch, numbers, total), Controls()

    return Evaluation(window, key, -(-total // rows))


def only_first(batch: Batch, numbers: Int[Array, "b"], total: int) -> Batch:
  """A batch without the rows whose number is not below `total`."""
  weights = batch.targets.weights * (numbers < total)[:, None]
  return Batch(batch.inputs, batch.targets._replace(weights=weights))
