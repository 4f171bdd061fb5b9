"""Runs below a folder and what became of them, as plain dictionaries."""

import collections
import json
import math
import os
import pathlib
from typing import Any

from lstm_jax.config import Config, show
from lstm_jax.config import config as config_lib
from lstm_jax.config.trials import list_trials
from lstm_jax.errors import RunError
from lstm_jax.run.directory import read_config
from lstm_jax.run.status import find_metric, read_status
from lstm_jax.run.writers import read_metrics

# In a run directory, and large: no run is looked for there.
_SKIPPED = {"checkpoints", "damaged", "profile", "tensorboard", "wandb"}


def read_runs(
  directory: str | pathlib.Path, *, trials: bool = False
) -> list[dict[str, Any]]:
  """Every run below a directory, or the run that it is.

    import pandas
    table = pandas.DataFrame(read_runs("runs/adding_rates"))

  A run that cannot be read has the state "unreadable", a reason, and little
  else.

  Args:
    trials: a dictionary for each trial of a run of several, in place of one
      with the means over them.

  Returns: dictionaries with

    workdir, trial  where it is; the trial's number, or None
    state, reason   "finished", "running", "stopped", "on HOST", "failed" or
                    "unreadable", and why it is one of the last two
    age             seconds since it last wrote a metric
    step            updates done
    train.steps ... each field of the config, as {"optimizer.name": "adam"}
    metric          the score that is watched, "bits_per_char"
    higher          whether more of it is better
    best, best_step    on validation; nan and 0 before the first
    last, last_step    of the last validation
    best_scores, last_scores  all scores there, {"perplexity": 3.5}
    train, valid    rows of metrics.jsonl, each a dictionary with its step; a
                    trial has no rows of training of its own

  Raises:
    RunError: there is no run.
  """
  return [
    run for path in find_runs(directory) for run in read_run(path, trials)
  ]


def find_runs(directory: str | pathlib.Path) -> list[pathlib.Path]:
  """The run directories below a directory, or itself, by name.

  Symbolic links are followed. A run that several paths lead to is found once,
  under the one that passes no link if there is such a path.

  Raises:
    RunError: there is none.
  """
  top = pathlib.Path(directory).expanduser()
  found, seen, todo = [], set(), collections.deque([top])
  while todo:
    path = todo.popleft()
    real = os.path.realpath(path)
    if real in seen:
      continue
    seen.add(real)
    try:
      inside = list(path.iterdir())
    except OSError:  # not ours to read, or no directory
      continue
    if is_run(path):
      found.append(path)
    for child in inside:
      if child.name not in _SKIPPED and os.path.isdir(child):
        # Links are for when everything else has been seen.
        (todo.append if os.path.islink(child) else todo.appendleft)(child)
  if not found:
    raise RunError(f"{directory}: no run here; give a folder that has runs")
  return sorted(found)


def is_run(path: str | pathlib.Path) -> bool:
  return os.path.isfile(pathlib.Path(path).expanduser() / "config.json")


def read_run(path: pathlib.Path, trials: bool = False) -> list[dict[str, Any]]:
  """One run as `read_runs` has it, or each of its trials."""
  where = {"workdir": str(path), "trial": None}
  nothing = {"reason": "", "step": 0, "metric": "", "higher": False}
  nothing |= {"train": [], "valid": []}
  try:
    config, rows = read_config(path), read_metrics(path)
    status = read_status(path)
    found = where | nothing | _plain(config)
    found |= {"state": status.state, "age": status.age, "step": status.step}
    watched = find_metric(rows), config.task.headline.higher
    found["metric"], found["higher"] = watched
    if not trials or config.train.trials == 1:
      shared = [row for row in rows if "trial" not in row]
      return [found | _scores(shared, *watched)]
    records = [{}] * config.train.trials
    if status.state == "finished":
      records = _read_trials(path, config.train.trials)
  except RunError as error:
    state = {"state": "unreadable", "age": math.nan}
    return [where | nothing | state | _scores([]) | {"reason": str(error)}]
  return [
    found
    | {"trial": trial.number}
    | trial.overrides
    | _scores([r for r in rows if r.get("trial") == trial.number], *watched)
    | _ended(record)
    for trial, record in zip(list_trials(config), records, strict=True)
  ]


def _plain(config: Config) -> dict[str, Any]:
  """Every field; enums are their values."""
  return {
    name: v if isinstance(v, int | float | str | tuple) else show(v)
    for name, v in config_lib.fields(config).items()
  }


def _scores(rows, metric="", higher=False) -> dict[str, Any]:
  """The curves, and the scores of their best and last validation."""
  valid = [r for r in rows if any(n.startswith("valid/") for n in r)]
  scored = [r for r in valid if r.get(f"valid/{metric}") is not None]
  found: dict[str, Any] = {
    "train": [r for r in rows if f"train/{metric}" in r],
    "valid": valid,
  }
  choose = max if higher else min
  best = choose(scored, key=lambda r: r[f"valid/{metric}"], default=None)
  last = scored[-1] if scored else None
  for name, row in (("best", best), ("last", last)):
    row = row or {"step": 0}
    found[name] = row.get(f"valid/{metric}", math.nan)
    found[f"{name}_step"] = row["step"]
    found[f"{name}_scores"] = {
      n.removeprefix("valid/"): v
      for n, v in row.items()
      if n.startswith("valid/")
    }
  return found


def _ended(record) -> dict[str, Any]:
  """What trials.json says of a trial, once the run is finished."""
  if not record:
    return {}
  step = record["updates"]
  if not record["diverged"]:
    return {"step": step}
  reason = f"step {step}: the loss was not finite"
  return {"step": step, "state": "failed", "reason": reason}


def _read_trials(path, count: int) -> list[dict[str, Any]]:
  """Raises RunError where trials.json is missing or damaged."""
  try:
    records = json.loads((path / "trials.json").read_text("utf-8"))
    if len(records) != count or not all(
      {"updates", "diverged"} <= record.keys() for record in records
    ):
      raise ValueError(f"it is not a record of each of {count} trials")
    return records
  except (OSError, ValueError, TypeError, AttributeError) as error:
    text = getattr(error, "strerror", None) or error
    raise RunError(f"{path}/trials.json: cannot be read: {text}") from None
