"""The results of a sweep, or of any runs: a table, a CSV, statistics."""

import collections
import math
import pathlib
import statistics

from experiments.plain_text import align, significant, write_csv
from experiments.sweep_results import Result, text
from lstm_jax.config.sweeps import SEED

TABLE = "summary.csv"
_FIELDS = 3  # of runs that no sweep made, in a label

Group = tuple[str, list[Result]]  # a setting in words, and its seeds


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
    costs = [r.cost for r in pair[1] if r.counts]
    mean = statistics.mean(costs) if costs else math.inf
    return len(costs) < most, mean

  return sorted(groups, key=key)


def _scored(group) -> int:
  return sum(result.counts for result in group)


def summarise_results(results: list[Result]) -> str:
  """How many have ended; a table of settings, the best first; failures."""
  counts = collections.Counter(result.state for result in results)
  lines = [", ".join(f"{n} {state}" for state, n in counts.items())]
  kinds = collections.defaultdict(list)
  for result in results:
    if result.run.get("metric"):
      kinds[result.run["metric"], result.run["task.name"]].append(result)
  for (metric, task), same in kinds.items():
    if len(kinds) == 1:  # so the others would have the same score
      same, task = results, ""
    if _scored(same):
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
  better = "higher" if any(r.run.get("higher") for r in results) else "lower"
  title += f" on validation, {better} is better: each run's best and its last"
  if several:
    title += "; mean ± standard deviation over seeds"
  rows = [("setting", "seeds", "best", "last", "")]
  for label, group in groups:
    good = [r for r in group if r.counts]
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
  return [title, *(f"  {line}" for line in align(rows))]


def _mean(values) -> str:
  if not values:
    return "-"
  shown = significant(statistics.mean(values), 6)
  if len(values) > 1:
    shown += f" ± {statistics.stdev(values):.2g}"
  return shown


def write_results(path: pathlib.Path, results: list[Result]):
  """A row a point: name, state, scores, and a column for each override."""
  names = list({name: None for r in results for name in r.point})
  scores = ("metric", "best", "best_step", "last", "last_step")
  rows = [["name", "state", "step", *scores, *names, "reason"]]
  for r in results:
    head = [r.run.get(name, "") for name in ("step", *scores)]
    head = ["" if value != value else value for value in head]  # nan
    values = [text(r.point.get(n, "")) for n in names]
    rows.append([r.name, r.state, *head, *values, r.reason])
  write_csv(path, rows)
