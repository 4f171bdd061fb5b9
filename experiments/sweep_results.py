"""The points of a sweep, or any runs, and what became of them.

index.json of a sweep lists its points: name, run directory in the sweep's,
which trial of it (null where it has one), overrides.
"""

import json
import math
import pathlib
from typing import Any, NamedTuple

from experiments.launchers.child import Job, failure
from lstm_jax.config import show
from lstm_jax.config.sweeps import Point
from lstm_jax.errors import RunError
from lstm_jax.files import write_atomically
from lstm_jax.run.runs import find_runs, is_run, read_run
from lstm_jax.tasks.base import Score

INDEX = "index.json"
# Each trial has its own seed and learning rate, whatever run it is in.
_OF_TRIALS = (
  *("train.trials", "train.trial_seeds", "train.trial_learning_rates"),
)


class Entry(NamedTuple):
  name: str
  directory: str
  trial: int | None
  overrides: Point


class Result(NamedTuple):
  name: str
  point: dict[str, Any]  # its overrides, as JSON has them
  state: str  # finished, running, stopped, failed, not started
  reason: str  # of a failure
  run: dict[str, Any]  # of `lstm_jax.read_runs`; empty where there is none
  designed: bool = True  # the point is that of a sweep

  def score(self, metric: str) -> float:
    """On validation, where the score that the run watches was best; nan where
    there is none."""
    value = self.run.get("best_scores", {}).get(metric)
    return math.nan if value is None else value

  @property
  def best(self) -> float:
    return self.run.get("best", math.nan)

  @property
  def cost(self) -> float:
    """As `best`, what is to be as low as possible."""
    return Score("", self.run.get("higher", False)).cost(self.best)

  @property
  def counts(self) -> bool:
    """It has a score that is part of a mean."""
    return self.state != "failed" and not math.isnan(self.best)


def write_index(sweep: pathlib.Path, entries: list[Entry]):
  """Writes index.json, unless another shard has done so."""
  rows = [e._replace(overrides=_plain(e.overrides))._asdict() for e in entries]
  text = json.dumps(rows, indent=1) + "\n"
  sweep.mkdir(parents=True, exist_ok=True)
  path = sweep / INDEX
  if path.exists() and path.read_text("utf-8") == text:
    return
  try:
    write_atomically(path, text)
  except FileNotFoundError:  # another shard was faster
    if path.read_text("utf-8") != text:
      raise


def read_index(sweep: pathlib.Path) -> list[Entry]:
  """Raises RunError where it is damaged."""
  path = sweep / INDEX
  try:
    return [Entry(**row) for row in json.loads(path.read_text("utf-8"))]
  except (OSError, ValueError, TypeError) as error:
    raise RunError(f"{path}: cannot be read: {error}") from None


def find_results(directories: list[pathlib.Path]) -> list[Result]:
  """What became of every point of sweeps, of runs, and of runs below folders.

  Runs without an index are told apart by the fields that differ. A run that
  several directories have is there once.

  Raises:
    RunError: there is no run in a directory.
  """
  results, loose = [], {}
  for directory in directories:
    if (directory / INDEX).is_file():
      results += _of_sweep(directory)
      continue
    for path in find_runs(directory):
      loose.setdefault(path.resolve(), (directory, path))
  known = {pathlib.Path(r.run["workdir"]).resolve() for r in results if r.run}
  found = [
    (top, path, run)
    for real, (top, path) in loose.items()
    if real not in known
    for run in read_run(path, trials=True)
  ]
  points = [_fields(run) for *_, run in found]
  differing = _differing([p for p in points if p])
  names = [str(path.relative_to(top.parent)) for top, path, _ in found]
  alike = len(set(names)) < len({path for _, path, _ in found})
  for (_, path, run), name, fields in zip(found, names, points, strict=True):
    point = {k: fields[k] for k in differing if k in fields}
    reason = failure(Job(path.parent, path.name, ()))
    name = str(path) if alike else name
    results.append(_result(name, point, run, reason, designed=False))
  return results


def _of_sweep(sweep) -> list[Result]:
  """What became of its points, of the trials in their run directories."""
  results, runs = [], {}
  for name, directory, trial, point in read_index(sweep):
    path = sweep / directory
    if directory not in runs:
      runs[directory] = read_run(path, trials=True) if is_run(path) else []
    reason = failure(Job(sweep, directory, ()))
    every = runs[directory]
    if every:
      run = next((r for r in every if r["trial"] == trial), every[0])
      results.append(_result(name, point, run, reason))
    else:
      state = "failed" if reason else "not started"
      results.append(Result(name, point, state, reason, {}))
  return results


def _result(name, point, run, reason, designed=True) -> Result:
  state = run["state"]
  if state == "unreadable" or (state == "stopped" and reason):
    state = "failed"
  reason = run["reason"] or (reason if state == "failed" else "")
  return Result(name, point, state, reason, run, designed)


def _fields(run) -> dict[str, Any]:
  """What a run is told apart by, as JSON has it."""
  return {
    name: _plain(value)
    for name, value in run.items()
    if "." in name and not name.startswith("run.") and name not in _OF_TRIALS
  }


def _differing(points) -> list[str]:
  names = {name: None for fields in points for name in fields}
  return [
    name
    for name in names
    if len({json.dumps(fields.get(name)) for fields in points}) > 1
  ]


def _plain(value: Any) -> Any:
  """As JSON has it: enums by their value, tuples as lists."""
  if isinstance(value, dict):
    return {name: _plain(v) for name, v in value.items()}
  if isinstance(value, tuple | list):
    return [_plain(v) for v in value]
  return value if isinstance(value, int | float | bool | str) else show(value)


def text(value: Any) -> str:
  """As the command line takes it."""
  return show(tuple(value) if isinstance(value, list) else value)
