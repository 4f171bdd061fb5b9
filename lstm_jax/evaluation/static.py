"""The loss of a model on a split, with the state carried through it."""

from collections.abc import Callable

import jax
from flax import nnx
from jax.sharding import Mesh

from lstm_jax.array_types import Params
from lstm_jax.metrics.sums import Sums
from lstm_jax.parallel.rows import COPIES, place
from lstm_jax.parallel.units import carry_spec
from lstm_jax.tasks.base import Task
from lstm_jax.training.train_state import make_eval_step


def make_evaluation(
  structure, task: Task, split: str, streams: int, mesh: Mesh | None = None
) -> Callable[..., Sums]:
  """params -> the split's summed loss.

  The split is cut into so many streams, read side by side, each from the
  initial state. One stream is exact: the state runs through the whole split.
  The function also takes `watch(done, all)`, called after every window, which
  may raise to end it.

  mesh: devices that share the streams, if their number divides.
  """
  if mesh and streams % mesh.shape["batch"]:
    mesh = None
  window, data, windows = task.evaluation(split, streams)
  data = place(jax.device_put(data), mesh, COPIES)
  eval_step = make_eval_step(structure, task, window, mesh)

  def evaluate(
    params: Params, watch: Callable[[int, int], None] = lambda done, all: None
  ) -> Sums:
    carry = nnx.merge(structure, params).initial_state(streams)
    carry = place(carry, mesh, carry_spec(mesh))
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
  return jax.tree.map(float, sums)
