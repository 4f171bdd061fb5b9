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
from experiments.pictures import significant
from lstm_jax.config import show
from lstm_jax.config.sweeps import SEED, Point
from lstm_jax.errors import RunError
from lstm_jax.files import write_atomically
from lstm_jax.run.runs import find_runs, is_run, read_run

INDEX, TABLE = "index.json", "summary.csv"
_FIELDS = 3  # of runs that no sweep made, in a label
# Each trial has its own seed and learning rate, whatever run it is in.
_OF_TRIALS = (
  "train.trials",
  "train.trial_seeds",
  "train.trial_learning_rates",
)


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


Group = tuple[str, list[Result]]  # a setting in words, and its seeds


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

  Runs without an index are told apart by the fields that differ. A run that
  several directories have is there once.

  Raises:
    RunError: there is no run in a directory.
  """
  results, loose = [], {}
  for directory in directories:
    if (directory / INDEX).is_file():
      entries = read_index(directory)
      runs: dict[str, list] = {}
      for entry in entries:
        if entry.directory not in runs:
          path = directory / entry.directory
          runs[entry.directory] = read_run(path, True) if is_run(path) else []
        results.append(_of_entry(directory, entry, runs[entry.directory]))
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


def _of_entry(sweep, entry: Entry, runs) -> Result:
  """What became of a point, of the trials in its run directory."""
  point = {k: _plain(v) for k, v in entry.point.items()}
  reason = failure(Job(sweep, entry.directory, ()))
  if not runs:
    state = "failed" if reason else "not started"
    return Result(entry.name, point, state, reason, {})
  wanted = [r for r in runs if r["trial"] == entry.trial]
  return _result(entry.name, point, (wanted or runs)[0], reason)


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


def group_seeds(results: list[Result]) -> list[Group]:
  """Results that differ in nothing but the seed, under what they share; under
  a name where that is nothing or much."""
  groups: dict[str, list[Result]] = {}
  for result in results:
    shared = {n: v for n, v in result.point.items() if n != SEED}
    groups.setdefault(repr(shared), []).append(result)
  names = {name for result in results for name in result.point}
  return [
    (_label(group[0], names - {SEED}), group) for group in groups.values()
  ]


def _label(result, names) -> str:
  """A point without its seed, in words: the ends of its fields' names, where
  no other of the names has the same. Runs that differ in many fields have the
  name of the first."""
  if len(names) > _FIELDS and not result.designed:
    return result.name
  ends = [name.rsplit(".", 1)[-1] for name in names]
  parts = []
  for name, value in result.point.items():
    end = name.rsplit(".", 1)[-1]
    if name != SEED:
      short = end if ends.count(end) == 1 else name
      parts.append(f"{short}={text(value)}")
  return " ".join(parts) or "all"


def rank(groups: list[Group]) -> list[Group]:
  """Settings by the mean of their best scores; those with fewer seeds than
  others, which luck has helped more or which have failed, come after them."""
  most = max((_scored(group) for _, group in groups), default=0)

  def key(pair):
    scores = [r.best for r in pair[1] if _counts(r)]
    mean = statistics.mean(scores) if scores else math.inf
    return len(scores) < most, mean

  return sorted(groups, key=key)


def _counts(result) -> bool:
  return result.state != "failed" and not math.isnan(result.best)


def _scored(group) -> int:
  return sum(map(_counts, group))


def summarise(results: list[Result]) -> str:
  """How many have ended; a table of settings, the best first; failures."""
  counts: dict[str, int] = {}
  for result in results:
    counts[result.state] = counts.get(result.state, 0) + 1
  lines = [", ".join(f"{n} {state}" for state, n in counts.items())]
  kinds: dict[tuple, list[Result]] = {}
  for result in results:
    if result.run.get("metric"):
      kind = result.run["metric"], result.run["task.name"]
      kinds.setdefault(kind, []).append(result)
  for (metric, task), same in kinds.items():
    if len(kinds) == 1:  # so the others would have the same score
      same, task = results, ""
    if any(map(_counts, same)):
      lines += _table(metric, task, same)
  for result in results:
    if result.state == "failed":
      lines.append(f"failed: {result.name}: {result.reason}")
  return "\n".join(lines)


def _table(metric, task, results) -> list[str]:
  """A line a setting, the means over its seeds."""
  groups = rank(group_seeds(results))
  several = any(_scored(group) > 1 for _, group in groups)
  title = f"{metric} of {task}" if task else metric
  title += " on validation, lower is better: each run's best and its last"
  if several:
    title += "; mean ± standard deviation over seeds"
  rows = [("setting", "seeds", "best", "last", "")]
  for label, group in groups:
    good = [r for r in group if _counts(r)]
    states = [r.state for r in group]
    if not good and "failed" not in states:
      continue
    notes = [
      f"{states.count(state)} {state}"
      for state in dict.fromkeys(states)
      if state != "finished"
    ]
    best, last = (
      _mean([r.run[name] for r in good]) for name in ("best", "last")
    )
    rows.append((label, str(len(good)), best, last, ", ".join(notes)))
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return [title] + [
    "  "
    + "  ".join(t.ljust(n) for t, n in zip(row, widths, strict=True)).rstrip()
    for row in rows
  ]


def _mean(values) -> str:
  if not values:
    return "-"
  shown = significant(statistics.mean(values), 6)
  if len(values) > 1:
    shown += f" ± {statistics.stdev(values):.2g}"
  return shown


def write_csv(path: pathlib.Path, results: list[Result]):
  """A row a point: name, state, scores, and a column for each override."""
  names = list({name: None for r in results for name in r.point})
  out = io.StringIO()
  writer = csv.writer(out, lineterminator="\n")
  scores = ("metric", "best", "best_step", "last", "last_step")
  writer.writerow(["name", "state", "step", *scores, *names, "reason"])
  for r in results:
    head = [r.run.get(name, "") for name in ("step", *scores)]
    head = ["" if value != value else value for value in head]  # nan
    values = [text(r.point[n]) if n in r.point else "" for n in names]
    writer.writerow([r.name, r.state, *head, *values, r.reason])
  write_atomically(path, out.getvalue())


def _plain(value: Any) -> Any:
  """As JSON has it: enums by their value, tuples as lists."""
  if isinstance(value, tuple | list):
    return [_plain(v) for v in value]
  return value if isinstance(value, int | float | bool | str) else show(value)


def text(value: Any) -> str:
  """As the command line takes it."""
  return show(tuple(value) if isinstance(value, list) else value)
