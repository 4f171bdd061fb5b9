"""How far a run has come, read from its directory while it trains or after."""

import math
import pathlib
import platform
import time
from typing import Any, NamedTuple

from lstm_jax.errors import RunError
from lstm_jax.run.directory import read_config, read_record
from lstm_jax.run.lock import is_locked, read_host
from lstm_jax.run.writers import NAME, read_metrics


class Status(NamedTuple):
  state: str  # finished, running, stopped, or on HOST: another one may run it
  step: int  # the last in metrics.jsonl
  steps: int
  metric: str  # the score that is watched, as "bits_per_char"; "" if unknown
  best: float  # on validation; nan before the first
  best_step: int
  age: float  # seconds since a metric was written, or the run began


def read_status(workdir: str | pathlib.Path) -> Status:
  """The status of a run; of several trials the mean is its score.

  Raises:
    RunError: there is no run, or a file of it cannot be read.
  """
  path = pathlib.Path(workdir).expanduser()
  config, starts = read_config(path), read_record(path)["starts"]
  rows = read_metrics(path)
  metric = find_metric(rows)
  curve = validation_points(rows, metric)
  cost = config.task.headline.cost
  best_step, best = min(curve, key=lambda p: cost(p[1]), default=(0, math.nan))
  step = max((row["step"] for row in rows), default=0)
  state = "stopped"
  host = read_host(path)
  if starts and "end" in starts[-1]:
    state = "finished"
  elif host == platform.node():
    state = "running" if is_locked(path) else "stopped"
  elif host:
    state = f"on {host}"
  written = path / NAME
  if not written.exists():
    written = path / "config.json"
  try:
    age = max(time.time() - written.stat().st_mtime, 0.0)
  except OSError as error:
    raise RunError(f"{path}: cannot be read: {error.strerror}") from None
  return Status(state, step, config.train.steps, metric, best, best_step, age)


def read_state(workdir: str | pathlib.Path) -> str:
  """The state of a run; "" where there is none, or not yet."""
  try:
    return read_status(workdir).state
  except RunError:
    return ""


def read_curve(workdir: str | pathlib.Path) -> list[tuple[int, float]]:
  """`validation_points` of a run; empty where there is none, or not yet."""
  try:
    rows = read_metrics(workdir)
  except RunError:
    return []
  return validation_points(rows, find_metric(rows))


def find_metric(rows: list[dict[str, Any]]) -> str:
  """The score that training is watched by; "" where there is none yet."""
  for row in rows:
    for name in row:
      if name.startswith("train/"):
        return name.removeprefix("train/")
  return ""


def validation_points(
  rows: list[dict[str, Any]], metric: str
) -> list[tuple[int, float]]:
  """(step, score) of every validation, those that are not finite left out."""
  name = f"valid/{metric}"
  return [
    (row["step"], row[name])
    for row in rows
    if "trial" not in row and row.get(name) is not None
  ]
