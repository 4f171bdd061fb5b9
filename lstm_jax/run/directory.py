"""A run's directory: one config for ever. `lock.py` has its lock.

config.json      the config, whole
run.json         what the data, the model and each start of the run were
assets/          what it takes to use the model: a text's vocabulary, as JSON
config_file.txt  where the config file is that brought the cell or the task
metrics.jsonl    one line a measurement
train.log        what was printed
checkpoints/     the last two and the best, by Orbax
tensorboard/     the metrics again
wandb/           and again, for Weights & Biases
profile/         traces of some steps
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import time
from importlib import metadata
from typing import Any

import jax

from lstm_jax import __version__
from lstm_jax.config import (
  Config,
  checks,
  fields,
  from_json,
  show,
  to_json,
  user_file,
  validate,
)
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.files import write_atomically
from lstm_jax.parallel import processes
from lstm_jax.run import surroundings

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
_BROUGHT = "config_file.txt"
_MOST_CHANGED = 6  # fields that a line names
_COMPARED = (
  *("python", "lstm_jax", "versions", "platform", "device", "devices"),
  *("processor", "threads", "settings"),
)
# Results that were appended are no change of what a run does.
_CODE = (":/", ":(top,exclude)experiments/results")


def check_config(path: pathlib.Path, config: Config, extend_to: int) -> Config:
  """The config to run in a directory: `config`, with more steps if asked.

  Raises:
    ConfigError: the directory's config differs in more than `run.*`.
  """
  if extend_to:
    config.train.steps, config.train.epochs = extend_to, 0
    validate(config)
  if not (path / "config.json").exists():
    if extend_to:
      raise ConfigError(
        f"extend_to: {path} holds no run to extend; set train.steps"
      )
    return config
  old = read_config(path)
  if extend_to and extend_to < old.train.steps:
    raise ConfigError(
      f"extend_to={extend_to}: the run already has {old.train.steps} steps"
    )
  # The data is compared by its digest: it may have moved.
  ignore = ["task.corpus", "task.data"]
  if extend_to:
    ignore += ["train.steps", "train.epochs"]
  elif config.train.epochs:  # counted at the start, once
    ignore.append("train.steps")
    if config.train.epochs == old.train.epochs:
      config.train.steps = old.train.steps
  as_long = dataclasses.replace(config.train, steps=old.train.steps)
  if as_long.validation_interval() == old.train.validation_interval():
    ignore.append("train.validate_every")
  if changed := differences(old, config, tuple(ignore)):
    advice = "take another run directory"
    fields = [line.split(":")[0] for line in changed]
    if fields == ["train.steps"]:
      advice = f"a longer run needs extend_to={config.train.steps}"
      if config.train.steps < old.train.steps:
        advice = (
          f"the run has {old.train.steps} steps by now; go on with it by"
          f" extend_to={old.train.steps}"
        )
    if fields == ["train.epochs"]:
      advice = f"a longer run needs extend_to=STEPS, now {old.train.steps}"
    if len(changed) > _MOST_CHANGED:
      more = len(changed) - _MOST_CHANGED
      changed = [*changed[:_MOST_CHANGED], f"and {more} more fields"]
    raise ConfigError(
      f"{path}: the config differs from this run's: {'; '.join(changed)};"
      f" {advice}"
    )
  return config


def differences(old: Config, new: Config, ignore: tuple[str, ...]) -> list[str]:
  """ "train.steps: 100 -> 200" for each field that differs, `run.*` and the
  ignored ones apart, and those that nothing reads. Fields of a task or model
  that the other has not go without saying: its name differs."""
  before, after = fields(old), fields(new)
  left_out = {*ignore, *checks.unread(old)}
  return [
    f"{path}: {show(before[path])} -> {show(after[path])}"
    for path in before
    if path in after
    and not path.startswith("run.")
    and path not in left_out
    and before[path] != after[path]
  ]


def read_config(workdir: str | pathlib.Path) -> Config:
  """The config of a run directory.

  A config file that brought its cell or task is run again.

  Raises:
    RunError: there is no run, or its config cannot be read.
  """
  try:
    text, brought = _read(workdir, "config.json"), _read_brought(workdir)
    if os.path.isfile(brought):
      user_file.run_file(brought)
    elif brought:
      with contextlib.suppress(ConfigError):  # all names are known already
        return from_json(text)
      raise RunError(
        f"{workdir}: its cell or task is that of {brought}, which is not there;"
        " put it back"
      )
    return from_json(text)
  except (FileNotFoundError, NotADirectoryError):
    raise RunError(
      f"{workdir}: no run here: config.json is missing; train one first"
    ) from None
  except (OSError, ValueError, RuntimeError, ConfigError) as error:
    raise _unreadable(workdir, "config.json", error) from None


def _read_brought(workdir) -> str:
  try:
    return _read(workdir, _BROUGHT).strip()
  except FileNotFoundError:
    return ""


def read_assets(workdir: str | pathlib.Path) -> dict[str, Any]:
  """What the task of a run keeps with it, a file each.

  Raises:
    RunError: a file is damaged.
  """
  folder = pathlib.Path(workdir).expanduser()
  files = [*(folder / "assets").glob("*.json")]
  if not files:  # runs of older versions have their vocabulary here
    files = [*folder.glob("vocabulary.json")]
  assets = {}
  for path in files:
    name = str(path.relative_to(folder))
    try:
      assets[path.stem] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
      raise _unreadable(workdir, name, error) from None
  return assets


def read_record(workdir: str | pathlib.Path) -> dict[str, Any]:
  """run.json, or an empty record before the first start.

  Raises:
    RunError: it is damaged.
  """
  try:
    record = json.loads(_read(workdir, "run.json"))
    if not isinstance(record["data"] | {}, dict) or not record["starts"][0]:
      raise ValueError("data or starts are not as they were written")
    return record
  except FileNotFoundError:
    return {"data": {}, "starts": []}
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise _unreadable(workdir, "run.json", error) from None


def _read(workdir, name) -> str:
  return (pathlib.Path(workdir).expanduser() / name).read_text("utf-8")


def _unreadable(workdir, name, error) -> RunError:
  return RunError(
    f"{workdir}/{name}: cannot be read:"
    f" {getattr(error, 'strerror', None) or error}; put back a copy of it, or"
    " take another run directory"
  )


def check_same_data(path: pathlib.Path, data: dict[str, Any]):
  """Refuses to go on with other data than the run began with.

  Raises:
    RunError: says what changed.
  """
  old = read_record(path)["data"]
  follows = ("corpus", "baseline")  # from where the data is, and from the rest
  changed = [k for k in old if k not in follows and old[k] != data.get(k)]
  if changed:
    raise RunError(
      f"{path}: the data changed since the run began (from"
      f" {old.get('corpus')} to"
      f" {data['corpus']}: {', '.join(changed)}); a resumed run needs the same"
      " text, a new one another run directory"
    )


def write_config(path: pathlib.Path, config: Config, assets: dict[str, Any]):
  """Writes config.json and the assets: from now on it is a run directory.

  Raises:
    RunError: they cannot be written.
  """
  with _writing(path):
    for name, value in assets.items():
      (path / "assets").mkdir(exist_ok=True)
      write_atomically(path / f"assets/{name}.json", json.dumps(value) + "\n")
    if brought := user_file.config_file_of(config):
      write_atomically(path / _BROUGHT, brought + "\n")
    write_atomically(path / "config.json", to_json(config) + "\n")


def write_start(
  path: pathlib.Path,
  data: dict[str, Any],
  parameters: int,
  step: int,
  command: str,
  devices: int = 1,
) -> list[str]:
  """Adds to run.json what starts here: command, code, versions and device.

  Returns:
    A line for each thing that differs from the last start and may change the
    numbers.

  Raises:
    RunError: it cannot be written.
  """
  device = jax.devices()[0]
  start = {
    "from_step": step,
    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    "command": command,
    "commit": _git("rev-parse", "HEAD"),
    "uncommitted_changes": bool(_git("status", "--porcelain", "--", *_CODE)),
    "python": platform.python_version(),
    "lstm_jax": __version__,
    "versions": {name: metadata.version(name) for name in _PACKAGES},
    "host": platform.node(),
    "platform": device.platform,
    "device": device.device_kind,
    "devices": devices,
    "processes": processes.process_count(),
    "cpu_cores": os.cpu_count(),
    "processor": surroundings.processor(),
    "threads": surroundings.threads(devices),
    "settings": surroundings.jax_settings(),
  }
  starts = read_record(path)["starts"]
  record = {"data": data, "parameters": parameters, "starts": [*starts, start]}
  with _writing(path):
    write_atomically(path / "run.json", json.dumps(record, indent=2) + "\n")
  last = start | (starts[-1] if starts else {})  # old ones lack some
  return [
    f"{name} was {_show(last[name])} at the last start and is"
    f" {_show(start[name])} now: the numbers may differ from those of a run"
    " without the change"
    for name in _COMPARED
    if last[name] != start[name]
  ]


def _show(value) -> str:
  if not isinstance(value, dict):
    return str(value)
  return " ".join(f"{k}={v}" for k, v in value.items()) or "as usual"


def write_end(path: pathlib.Path, step: int):
  """Notes in run.json that the run has reached its end.

  Raises:
    RunError: it cannot be written.
  """
  record = read_record(path)
  when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
  record["starts"][-1]["end"] = {"step": step, "time": when}
  with _writing(path):
    write_atomically(path / "run.json", json.dumps(record, indent=2) + "\n")


@contextlib.contextmanager
def _writing(path):
  try:
    yield
  except OSError as error:
    raise RunError(f"{path}: cannot be written: {error.strerror}") from error


def _git(*arguments) -> str | None:
  folder = pathlib.Path(__file__).parent
  try:
    done = subprocess.run(
      ["git", *arguments],
      cwd=folder,
      capture_output=True,
      text=True,
      timeout=10,
    )
  except (OSError, subprocess.TimeoutExpired):
    return None
  return done.stdout.strip() if done.returncode == 0 else None
