"""The loss of a model on a split, with the state carried through it."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from flax import nnx

from lstm_jax.array_types import Params
from lstm_jax.metrics.sums import Sums
from lstm_jax.parallel.rows import COPIES, Layout, place
from lstm_jax.tasks.base import Task
from lstm_jax.training.step import make_eval_step


@runtime_checkable
class Evaluate(Protocol):
  def __call__(
    self, params: Params, watch: Callable[[int, int], None] = ...
  ) -> Sums:
    """The split's summed loss under parameters.

    watch: called as (done, all) after every window; it may raise to end it.
    """
    ...


def make_evaluation(
  structure: Any, task: Task, split: str, rows: int, layout: Layout = Layout()
) -> Evaluate:
  """The evaluation of a split.

  The split of a text is cut into so many rows, read side by side, each from the
  initial state. One row is exact: the state runs through the whole split.

  layout: of the devices that share the rows, if their number divides.
  """
  if layout.mesh and rows % layout.mesh.shape["batch"]:
    layout = Layout()
  window, data, windows = task.evaluation(split, rows)
  data = place(jax.device_put(data), layout.mesh, COPIES)
  eval_step: Callable = make_eval_step(structure, task, window, layout)

  def evaluate(params, watch=lambda done, all: None):
    carry = nnx.merge(structure, params).initial_state(rows)
    carry = place(carry, layout.mesh, layout.carry)
    total, late = Sums(0.0, 0.0), None
    for index in range(windows):
      carry, sums = eval_step(params, carry, data, index)
      total += _on_host(late)  # while the next window is being computed
      late = sums
      watch(index + 1, windows)
    return total + _on_host(late)

  return evaluate


def last_result(steps: Iterable[tuple[int, int, Any]], watch: Callable) -> Any:
  """The last of results that come as (done, all, result).

  watch: called as (done, all) with each.
  """
  result = None
  for step in steps:
    done, every, result = step
    watch(done, every)
  return result


def _on_host(sums: Sums | None) -> Sums:
  """In float64, so that large counts stay exact."""
  if sums is None:
    return Sums(0.0, 0.0)
  return jax.tree.map(lambda a: np.asarray(a, np.float64), sums)
