"""Lists the runs below folders: status, step, best validation score, how long
ago they last wrote a metric, and the fields that differ, where these are few.

  python -m experiments.runs runs
  python -m experiments.runs runs --sort=best
  python -m experiments.runs runs --json

--sort=best puts runs of one task and score together, the best first; step and
age put the largest first. --json prints an object a line, with every field of
the config; lstm_jax.read_runs gives the same in Python, and the curves.
"""

import math
import pathlib

from experiments.command_line import new_flags, parse_words, run_command
from experiments.plain_text import align, duration, significant, strict_json
from lstm_jax.config import show
from lstm_jax.errors import ConfigError
from lstm_jax.run.runs import read_runs
from lstm_jax.tasks.base import Score

SORTS = ("name", "best", "step", "age")
_HEAD = ("run", "status", "step", "best on validation", "age", "differs in")
_FIELDS = 4  # as many as a line shows


def find_named_runs(folders: list[str]) -> dict[str, dict]:
  """Runs by the name that a list gives them, each of them once.

  Raises:
    RunError: there is none in a folder.
  """
  found = {}
  for folder in map(pathlib.Path, folders):
    for run in read_runs(folder):
      path = pathlib.Path(run["workdir"])
      found.setdefault(path.resolve(), (folder.expanduser(), path, run))
  several = len(folders) > 1
  return {
    str(path if several or path == top else path.relative_to(top)): run
    for top, path, run in found.values()
  }


def runs_table(runs: dict[str, dict]) -> list[tuple[str, ...]]:
  """A row of texts a run."""
  names = {n: None for run in runs.values() for n in run if "." in n}
  differing = [
    name
    for name in names
    if not name.startswith("run.")
    and len({repr(r[name]) for r in runs.values() if name in r}) > 1
  ]
  shown = differing if len(differing) <= _FIELDS else []
  return [_row(name, run, shown) for name, run in runs.items()]


def _row(name, run, shown) -> tuple[str, ...]:
  if run["state"] == "unreadable":
    return name, run["state"], "-", "-", "-", run["reason"]
  best = "-"
  if not math.isnan(run["best"]):
    best = f"{run['metric']} {significant(run['best'], 5)}"
    best += f" at {run['best_step']}"
  step = f"{run['step']}/{run['train.steps']}"
  differs = " ".join(f"{n.rsplit('.')[-1]}={show(run[n])}" for n in shown)
  return name, run["state"], step, best, duration(run["age"]), differs


def sort_runs(runs: dict[str, dict], sort: str) -> dict[str, dict]:
  """Those that lack what is sorted by come last."""

  def key(pair):
    name, run = pair
    if sort == "best":
      kind = run.get("task.name", "~"), run["metric"] or "~"
      cost = Score(run["metric"], run["higher"]).cost(run["best"])
      return *kind, math.isnan(cost), cost, name
    value = -run[sort]
    return math.isnan(value), value, name

  return dict(sorted(runs.items(), key=key)) if sort != "name" else runs


def main(argv: list[str]):
  values = new_flags(sort=("name", "order", SORTS), json=(False, "print JSON"))
  words = parse_words(values, argv, __doc__)
  if not words:
    raise ConfigError("give a folder of runs, as runs")
  runs = sort_runs(find_named_runs(words), values.sort)
  if values.json:
    for run in runs.values():  # without the curves
      kept = {k: v for k, v in run.items() if k not in ("train", "valid")}
      print(strict_json(kept))
    return
  rows = [_HEAD, *runs_table(runs)]
  if not any(row[-1] for row in rows[1:]):
    rows = [row[:-1] for row in rows]
  print("\n".join(align(rows)))


if __name__ == "__main__":
  run_command(main)
