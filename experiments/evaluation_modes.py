"""The flags of `evaluate --mode`, and what a search for their values finds."""

import dataclasses
import json
import math
import pathlib
from typing import Any

from absl import flags

from experiments.field_flags import add_flag, define_field_flags, given_fields
from experiments.progress import percent_line
from lstm_jax.config.config import check_leaves
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.evaluation.modes import MODES
from lstm_jax.files import write_atomically
from lstm_jax.metrics.sums import Sums
from lstm_jax.run.load import Run
from lstm_jax.tasks.base import Task

FOUND = "evaluation.json"  # in the run directory: what --tune found


def define_mode_flags(values: flags.FlagValues):
  adapted = "https://arxiv.org/abs/1709.07432, 1612.04426, 1512.05287"
  for name, default, text, among in (
    ("mode", "static", f"as trained, or {adapted}", ("static", *MODES)),
    ("tune", False, f"find settings on the validation split, for {FOUND}", ()),
    ("tune_tokens", 0, "of the validation split; 0 is all", (0, None)),
  ):
    add_flag(values, name, default, text, among)
  for name, mode in MODES.items():
    define_field_flags(values, mode.config, "", "")
    for field in dataclasses.fields(mode.config):
      flag = values[field.name]
      flag.help = f"{name}: {flag.help}, or what --tune found"


def check_mode_flags(values: flags.FlagValues, trial: int | None):
  """Raises ConfigError for flags that the mode has no use for."""
  mode = values.mode
  for other in MODES:
    for name in given_fields(values, MODES[other].config, ""):
      if other != mode:
        raise ConfigError(f"--{name} is for --mode={other}, not {mode}")
  if values.tune_tokens and not values.tune:
    raise ConfigError("--tune_tokens is for --tune")
  if values.tune:
    if mode == "static" or MODES[mode].tune is None:
      raise ConfigError(f"--tune: --mode={mode} has nothing to search")
    if values.split != "valid":
      raise ConfigError("--tune looks at the validation split alone")
    if values["json"].present:
      raise ConfigError("--tune takes no --json")
    for name in MODES[mode].tuned:
      if values[name].present:
        raise ConfigError(f"--tune takes no --{name}")
  if mode == "static":
    return
  if trial is None:
    raise ConfigError(f"--mode={mode} evaluates one trial; give its number")
  if len(values.streams) > 1:
    raise ConfigError(f"--mode={mode} takes one number of --streams")
  if values.streams[0] > MODES[mode].most_rows:
    raise ConfigError(f"--mode={mode} reads one stream; leave --streams out")


def mode_config(values: flags.FlagValues) -> Any:
  """The config of the mode: flags, else what a search found for the same form,
  else the defaults; a new search does not use what an old one found.

  Raises:
    ConfigError: a flag is out of range, or for another form.
    RunError: what a search found cannot be read.
  """
  kind = MODES[values.mode].config
  given = given_fields(values, kind, "")
  found = found_settings(values.workdir).get(values.mode, {})
  form = found.get("form")
  if given.get("form", form) != form or values.tune:
    found = {}
  config = kind(**found | given)
  check_leaves(config, "--")
  for name in config.unread() if hasattr(config, "unread") else ():
    if name in given:
      raise ConfigError(f"--{name} is for another --form, not {config.form}")
  if hasattr(config, "settle"):
    config.settle()
  return config


def found_settings(
  workdir: str | pathlib.Path,
) -> dict[str, dict[str, Any]]:
  """By mode, what --tune found for a run; {} where it was never called.

  Raises:
    RunError: the file cannot be read, or is not as it was written.
  """
  path = pathlib.Path(workdir).expanduser() / FOUND
  try:
    found = json.loads(path.read_text("utf-8"))
    for mode, chosen in found.items():
      check_leaves(MODES[mode].config(**chosen), f"{mode}.")
    return found
  except FileNotFoundError:
    return {}
  except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
    raise RunError(
      f"{path}: cannot be read: {error}; remove it to use the defaults"
    ) from None
  except AttributeError:
    raise RunError(
      f"{path}: cannot be read: it is no object; remove it to use the defaults"
    ) from None


def evaluate_in_mode(
  values: flags.FlagValues, config: Any, run: Run, task: Task
) -> Sums:
  """The split's loss.

  Raises:
    ConfigError: the model cannot be evaluated so.
  """
  _check_text(values.mode, task)
  rows = values.streams[0] or 1
  return MODES[values.mode].evaluate(
    run, task, values.split, rows, config, percent_line
  )


def tune_mode(values: flags.FlagValues, config: Any, run: Run, task: Task):
  """Prints a line for every setting tried, and writes the best to FOUND."""
  _check_text(values.mode, task)
  name, cost, best, chosen = (
    task.headline.name,
    task.headline.cost,
    math.inf,
    {},
  )

  def score(sums: Sums) -> float:
    return task.scores(sums)[name]

  tune = MODES[values.mode].tune
  assert tune, "check_mode_flags has looked"
  tried = tune(
    *(run, task, values.streams[0] or 1, config, values.tune_tokens),
    *(score, percent_line),
  )
  for settings, sums in tried:
    said = " ".join(f"{key} {value:<6}" for key, value in settings.items())
    print(f"{said} {name} {score(sums):.3f}", flush=True)
    if cost(score(sums)) < best:
      best, chosen = cost(score(sums)), settings
  kept = dataclasses.asdict(dataclasses.replace(config, **chosen))
  path = pathlib.Path(values.workdir).expanduser() / FOUND
  found = found_settings(values.workdir) | {values.mode: kept}
  write_atomically(path, json.dumps(found, indent=1) + "\n")
  settled = ", ".join(f"{key} {value}" for key, value in chosen.items())
  print(f"best: {settled}, {name} {cost(best):.4f}; kept in {FOUND}")


def _check_text(mode, task):
  if task.spec.family != "text":
    raise ConfigError(f"--mode={mode} is for language models; leave it out")
