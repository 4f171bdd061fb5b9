"""The loss of a model on a split, with the state carried through it."""

from collections.abc import Callable

import jax
from flax import nnx

from lstm_jax.array_types import Params
from lstm_jax.metrics import Sums
from lstm_jax.tasks.base import Task
from lstm_jax.training.train_state import make_eval_step


def make_evaluation(
  structure, task: Task, split: str, streams: int
) -> Callable[..., Sums]:
  """params -> the split's summed loss.

  The split is cut into so many streams, read side by side, each from the
  initial state. One stream is exact: the state runs through the whole split.
  The function also takes `watch(done, all)`, called after every window.
  """
  data, windows = task.evaluation(split, streams)
  data = jax.device_put(data)
  eval_step = make_eval_step(structure, task)

  def evaluate(
    params: Params, watch: Callable[[int, int], None] = lambda done, all: None
  ) -> Sums:
    carry = nnx.merge(structure, params).initial_state(streams)
    total, late = Sums(0.0, 0.0), None
    for index in range(windows):
      carry, sums = eval_step(params, carry, data, index)
      total += _on_host(late)  # while the next window is being computed
      late = sums
      watch(index + 1, windows)
    return total + _on_host(late)

  return evaluate


def _on_host(sums: Sums | None) -> Sums:
  if sums is None:
    return Sums(0.0, 0.0)
  return Sums(float(sums.nats), float(sums.weight))
