"""Metrics of a run: metrics.jsonl, the record; TensorBoard; W&B."""

import contextlib
import json
import math
import os
import pathlib
import time
from typing import Any

from tensorboardX import SummaryWriter

from lstm_jax.errors import RunError
from lstm_jax.files import write_atomically

NAME = "metrics.jsonl"


def read_metrics(workdir: str | pathlib.Path) -> list[dict[str, Any]]:
  """The lines of metrics.jsonl; a line that a kill cut is left out."""
  try:
    path = pathlib.Path(workdir) / NAME
    lines = path.read_text("utf-8", errors="replace").splitlines()
  except FileNotFoundError:
    return []
  except OSError as error:
    raise RunError(f"{path}: cannot be read: {error.strerror}") from None
  rows = []
  for line in lines:
    with contextlib.suppress(ValueError):
      row = json.loads(line)
      if isinstance(row, dict) and isinstance(row.get("step"), int):
        rows.append(row)
  return rows


class MetricWriter:
  """Appends one flat JSON object a line, and the same numbers to TensorBoard
  and Weights & Biases.

  A line's `seconds` are wall time since the run began, without the time between
  its starts and without work that was lost and done again.

  workdir: None writes nothing, for processes of a run but the first.
  first_step: number of updates done at the start. Later lines, written before
    a kill and about to be written again, are dropped.
  wandb_run: see `wandb_run.open_run`; closed at the end.
  """

  def __init__(
    self,
    workdir: str | pathlib.Path | None,
    first_step: int,
    tensorboard: bool,
    wandb_run: Any = None,
  ):
    self._tensorboard, self._wandb = None, wandb_run
    self._began = time.monotonic()
    if workdir is None:
      self._file = open(os.devnull, "w")
      return
    path = pathlib.Path(workdir) / NAME
    kept = [r for r in read_metrics(workdir) if r["step"] <= first_step]
    self._began -= max((row.get("seconds", 0) for row in kept), default=0)
    write_atomically(path, "".join(json.dumps(row) + "\n" for row in kept))
    self._file = path.open("a", encoding="utf-8")
    if tensorboard:
      self._tensorboard = SummaryWriter(
        str(pathlib.Path(workdir) / "tensorboard"), purge_step=first_step + 1
      )

  def __enter__(self):
    return self

  def __exit__(self, *error):
    with contextlib.suppress(OSError):  # every line was flushed before
      self._file.close()
    if self._tensorboard:
      self._tensorboard.close()
    if self._wandb:
      self._wandb.finish()

  def write_trial(self, step: int, trial: int, metrics: dict[str, float]):
    """Writes metrics of one trial, to metrics.jsonl alone."""
    self._append(step, {"trial": trial, **metrics})

  def write(self, step: int, **metrics: float):
    """Writes metrics of one step; non-finite ones become null, as JSON has it.

    Raises:
      RunError: the disk is full or the directory is gone.
    """
    self._append(step, metrics)
    finite = {k: v for k, v in metrics.items() if math.isfinite(v)}
    if self._tensorboard:
      for name, value in finite.items():
        self._tensorboard.add_scalar(name, value, step)
    if self._wandb:
      self._wandb.log({"step": step, **finite})

  def _append(self, step, metrics):
    row = {
      k: (v if not isinstance(v, float) or math.isfinite(v) else None)
      for k, v in metrics.items()
    }
    try:
      seconds = round(time.monotonic() - self._began, 3)
      line = {"step": step, "seconds": seconds, **row}
      self._file.write(json.dumps(line) + "\n")
      self._file.flush()
    except OSError as error:
      raise RunError(
        f"{self._file.name}: cannot be written: {error.strerror}"
      ) from error
