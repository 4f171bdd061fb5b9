"""The points of a sweep and what became of them: a table, a CSV, statistics.

index.json lists the points: name, run directory in the sweep's, which trial of
it (null where it has one), overrides.
"""

import csv
import io
import json
import math
import pathlib
import statistics
from typing import Any, NamedTuple

from experiments.launchers.child import Job, failure
from lstm_jax import config as config_lib
from lstm_jax.config import show
from lstm_jax.errors import RunError
from lstm_jax.files import write_atomically
from lstm_jax.run_directory import read_config
from lstm_jax.run_status import (
  find_metric,
  read_status,
  validation_curve,
)
from lstm_jax.sweeps import SEED, Point
from lstm_jax.training.metric_writer import read_metrics

INDEX, TABLE = "index.json", "summary.csv"
_RATES, _SEEDS = "train.trial_learning_rates", "train.trial_seeds"


class Entry(NamedTuple):
  name: str
  directory: str
  trial: int | None
  point: Point


class Result(NamedTuple):
  name: str
  point: dict[str, Any]  # its overrides, as JSON has them
  state: str  # finished, running, stopped, failed, not started
  reason: str  # of a failure
  step: int
  metric: str
  best: float  # on validation; nan where there is none
  best_step: int
  curve: list[tuple[int, float]]  # of the validations


def write_index(sweep: pathlib.Path, entries: list[Entry]):
  """Writes index.json, unless another shard has done so."""
  rows = [
    {
      "name": entry.name,
      "directory": entry.directory,
      "trial": entry.trial,
      "overrides": {k: _plain(v) for k, v in entry.point.items()},
    }
    for entry in entries
  ]
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
    return [
      Entry(row["name"], row["directory"], row["trial"], row["overrides"])
      for row in json.loads(path.read_text("utf-8"))
    ]
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise RunError(f"{path}: cannot be read: {error}") from None


def find_results(directories: list[pathlib.Path]) -> list[Result]:
  """What became of every point of sweeps, of runs, and of runs below folders.

  Runs without an index are told apart by the fields that differ.

  Raises:
    RunError: there is no run in a directory.
  """
  results, loose = [], []
  for directory in directories:
    if (directory / INDEX).is_file():
      entries = read_index(directory)
      results += [read_result(directory, entry) for entry in entries]
      continue
    found = sorted(path.parent for path in directory.rglob("config.json"))
    if not found:
      raise RunError(f"{directory}: no run here")
    loose += [(directory, path) for path in found]
  points = [
    (top, path, trial, fields)
    for top, path in loose
    for trial, fields in _trials(path)
  ]
  differing = _differing([fields for *_, fields in points])
  for top, path, trial, fields in points:
    name = str(path.relative_to(top.parent))
    point = {k: fields[k] for k in differing if k in fields}
    entry = Entry(name, path.name, trial, point)
    results.append(read_result(path.parent, entry))
  return results


def _trials(path):
  """(trial, fields as JSON) of every trial of a run."""
  config = read_config(path)
  fields = {k: _plain(v) for k, v in config_lib.fields(config).items()}
  fields = {k: v for k, v in fields.items() if not k.startswith("run.")}
  rates, trials = fields.pop(_RATES), fields.pop("train.trials")
  seeds = fields.pop(_SEEDS, ())
  if trials == 1:
    return [(None, fields)]
  each = []
  for number in range(trials):
    own = dict(fields)
    own[SEED] = seeds[number] if seeds else fields[SEED] + number
    if rates:
      own["optimizer.learning_rate"] = rates[number % len(rates)]
    each.append((number, own))
  return each


def _differing(points) -> list[str]:
  names = {name: None for fields in points for name in fields}
  return [
    name
    for name in names
    if len({json.dumps(fields.get(name)) for fields in points}) > 1
  ]


def read_result(sweep: pathlib.Path, entry: Entry) -> Result:
  """What became of one point."""
  path = sweep / entry.directory
  point = {k: _plain(v) for k, v in entry.point.items()}
  reason = failure(Job(sweep, entry.directory, ()))
  if not (path / "config.json").exists():
    state = "failed" if reason else "not started"
    return Result(entry.name, point, state, reason, 0, "", math.nan, 0, [])
  try:
    status = read_status(path, entry.trial)
  except RunError as error:
    reason = str(error)
    return Result(entry.name, point, "failed", reason, 0, "", math.nan, 0, [])
  rows = read_metrics(path)
  state, step = status.state, status.step
  if state == "stopped" and reason:
    state = "failed"
  else:
    reason = ""
  if state == "finished" and entry.trial is not None:
    record = _read_trials(path)[entry.trial]
    step = record["updates"]
    if record["diverged"]:
      state, reason = "failed", f"step {step}: the loss was not finite"
  curve = validation_curve(rows, find_metric(rows), entry.trial)
  return Result(
    entry.name,
    point,
    state,
    reason,
    step,
    status.metric,
    status.best,
    status.best_step,
    curve,
  )


def _read_trials(path) -> list[dict[str, Any]]:
  try:
    return json.loads((path / "trials.json").read_text("utf-8"))
  except (OSError, ValueError) as error:
    raise RunError(f"{path}/trials.json: cannot be read: {error}") from None


def group_seeds(results: list[Result]) -> list[tuple[str, list[Result]]]:
  """Results that differ in nothing but the seed, under what they share."""
  groups: dict[str, list[Result]] = {}
  for result in results:
    shared = {n: v for n, v in result.point.items() if n != SEED}
    groups.setdefault(repr(shared), []).append(result)
  names = {name for result in results for name in result.point}
  return [(_label(group[0].point, names), group) for group in groups.values()]


def _label(point, names) -> str:
  """A point without its seed, in words: the ends of its fields' names, where
  no other of the names has the same."""
  ends = [name.rsplit(".", 1)[-1] for name in names]
  parts = []
  for name, value in point.items():
    end = name.rsplit(".", 1)[-1]
    if name != SEED:
      short = end if ends.count(end) == 1 else name
      parts.append(f"{short}={_text(value)}")
  return " ".join(parts) or "all"


def summarise(results: list[Result]) -> str:
  """The best point, mean ± standard deviation over seeds, the failed ones."""
  scored = [r for r in results if not math.isnan(r.best)]
  counts: dict[str, int] = {}
  for result in results:
    counts[result.state] = counts.get(result.state, 0) + 1
  lines = [", ".join(f"{n} {state}" for state, n in counts.items())]
  good = [r for r in scored if r.state != "failed"]
  if good:
    best = min(good, key=lambda r: r.best)
    lines.append(
      f"best {best.metric} on validation: {best.best:.6g} at step"
      f" {best.best_step}: {best.name}"
    )
  groups = [(n, [r.best for r in g]) for n, g in group_seeds(good)]
  if any(len(values) > 1 for _, values in groups):
    groups.sort(key=lambda g: statistics.mean(g[1]))
    for name, values in groups:
      text = f"{statistics.mean(values):.6g}"
      if len(values) > 1:
        text += f" ± {statistics.stdev(values):.2g}"
      lines.append(f"  {name}: {text} ({len(values)} seeds)")
  for result in results:
    if result.state == "failed":
      lines.append(f"failed: {result.name}: {result.reason}")
  return "\n".join(lines)


def write_csv(path: pathlib.Path, results: list[Result]):
  """A row a point: name, state, score, and a column for each override."""
  names = list({name: None for r in results for name in r.point})
  out = io.StringIO()
  writer = csv.writer(out, lineterminator="\n")
  writer.writerow(
    ["name", "state", "step", "metric", "best", "best_step", *names, "reason"]
  )
  for r in results:
    best = "" if math.isnan(r.best) else r.best
    values = [_text(r.point[n]) if n in r.point else "" for n in names]
    head = [r.name, r.state, r.step, r.metric, best, r.best_step]
    writer.writerow([*head, *values, r.reason])
  write_atomically(path, out.getvalue())


def _plain(value: Any) -> Any:
  """As JSON has it: enums by their value, tuples as lists."""
  if isinstance(value, tuple):
    return [_plain(v) for v in value]
  return value if isinstance(value, int | float | bool | str) else show(value)


def _text(value: Any) -> str:
  return show(tuple(value) if isinstance(value, list) else value)
