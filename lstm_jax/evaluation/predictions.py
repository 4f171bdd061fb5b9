"""What a model says of a split: answers found on the device, and judged on the
host."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx

from lstm_jax.array_types import Params
from lstm_jax.errors import ConfigError
from lstm_jax.files import write_atomically
from lstm_jax.metrics.sums import Sums
from lstm_jax.search.answers import find_answers
from lstm_jax.search.base import SearchConfig
from lstm_jax.tasks.base import DecodedTask, DescribingTask, JudgingTask, Task


def predict(
  model: Any, task: Any, inputs: Any, search: SearchConfig, key: Any
) -> Any:
  """Whole answers where a model finds them, else its likeliest output at every
  step; runs inside jit.

  task: a task or its config.
  """
  if hasattr(model, "decode"):
    return model.decode(inputs, search, key)
  if isinstance(task, DecodedTask):
    return find_answers(
      model, inputs, search, task.answer_length, task.end, key
    )
  rows = jax.tree.leaves(inputs)[0].shape[0]
  return model.read(inputs, model.initial_state(rows)).likelihood.mode()


def make_predictions(
  structure: Any, task: Task, split: str, rows: int, search: SearchConfig
) -> Callable[..., Sums]:
  """(params, watch, file) -> what `task.judge` counts, summed over the split.

  watch: called as (done, all) after every window.
  file: of JSON, a line a row, as `task.describe` has it; None is none.

  Raises:
    ConfigError: a file is asked for, and the task describes no prediction.
  """
  window, data, windows = task.evaluation(split, rows)
  data = jax.device_put(data)

  @jax.jit
  def decode(params, data, index):
    batch, _ = window(data, index)
    key = jax.random.fold_in(jax.random.key(0), index)
    model = nnx.merge(structure, params)
    return predict(model, task, batch.inputs, search, key), batch

  def evaluate(
    params: Params,
    watch: Callable[[int, int], None] = lambda done, all: None,
    file: pathlib.Path | None = None,
  ) -> Sums:
    if file and not isinstance(task, DescribingTask):
      raise ConfigError(
        f'predictions: the task "{task.config.name}" has none to write'
      )
    total: dict[str, Any] = {}
    lines = []
    for index in range(windows):
      prediction, batch = jax.device_get(decode(params, data, index))
      if isinstance(task, JudgingTask):
        found = task.judge(prediction, batch)
        total = {name: total.get(name, 0) + n for name, n in found.items()}
      if file and isinstance(task, DescribingTask):
        lines += map(json.dumps, task.describe(prediction, batch))
      watch(index + 1, windows)
    if file:
      write_atomically(file, "".join(line + "\n" for line in lines))
    return Sums(0.0, 0.0, jax.tree.map(np.asarray, total))

  return evaluate
