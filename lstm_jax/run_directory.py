"""A run's directory: one process at a time, one config for ever.

config.json      the config, whole
run.json         what the data, the model and each start of the run were
vocabulary.json  the symbols, in order
metrics.jsonl    one line a measurement
train.log        what was printed
checkpoints/     the last two and the best, by Orbax
tensorboard/     the metrics again
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import platform
import subprocess
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from lstm_jax.array_types import Params
from lstm_jax.config import Config, differences, from_json, to_json
from lstm_jax.data.vocabulary import CharVocabulary
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.files import write_atomically
from lstm_jax.training.checkpointing import Checkpointer
from lstm_jax.training.train_state import make_model

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
_LOCK = "lock"


@contextlib.contextmanager
def claim(workdir: str | pathlib.Path) -> Iterator[pathlib.Path]:
  """Makes a run directory, or enters one, for this process alone.

  What it made is removed again if no config was written in the meantime, so
  that a start which fails leaves nothing behind.

  Raises:
    RunError: another process has it, it is not a run directory, or it cannot
      be written.
  """
  path = pathlib.Path(workdir).expanduser().absolute()
  missing = [p for p in (path, *path.parents) if not p.exists()]
  try:
    path.mkdir(parents=True, exist_ok=True)
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
  except (OSError, ValueError) as error:
    _remove_empty(missing)
    reason = getattr(error, "strerror", None) or error
    raise RunError(
      f"{workdir}: cannot be used as run directory: {reason}"
    ) from None
  try:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
      holder = os.read(lock, 100).decode(errors="replace").strip()
      raise RunError(
        f"{workdir}: another process is training here ({holder}); wait for it"
        " or take another --workdir"
      ) from None
    entries = {entry.name for entry in path.iterdir()} - {_LOCK}
    if entries and not (path / "config.json").exists():
      (path / _LOCK).unlink()
      raise RunError(
        f"{workdir}: not a run directory: it has {sorted(entries)[0]} but no"
        " config.json; take another --workdir"
      )
    os.ftruncate(lock, 0)
    os.write(lock, f"process {os.getpid()} on {platform.node()}\n".encode())
    try:
      yield path
    finally:
      if not (path / "config.json").exists():
        (path / _LOCK).unlink(missing_ok=True)
        _remove_empty(missing)
  finally:
    os.close(lock)  # which unlocks it


def _remove_empty(paths):
  with contextlib.suppress(OSError):
    for path in paths:  # deepest first
      if path.exists():
        path.rmdir()


def check_config(path: pathlib.Path, config: Config, extend_to: int) -> Config:
  """The config to run in a directory: `config`, with more steps if asked.

  Raises:
    ConfigError: the directory's config differs in more than `run.*`.
  """
  if extend_to:
    config.train.steps = extend_to
  if not (path / "config.json").exists():
    if extend_to:
      raise ConfigError(
        f"--extend_to: {path} holds no run to extend; set --config.train.steps"
      )
    return config
  old = read_config(path)
  if extend_to and extend_to < old.train.steps:
    raise ConfigError(
      f"--extend_to={extend_to}: the run already has {old.train.steps} steps"
    )
  ignore = ("train.steps",) if extend_to else ()
  if changed := differences(old, config, ignore):
    advice = "take another --workdir"
    if [line.split(":")[0] for line in changed] == ["train.steps"]:
      advice = f"--extend_to={config.train.steps} makes it longer"
    raise ConfigError(
      f"{path}: the config differs from this run's: {'; '.join(changed)};"
      f" {advice}"
    )
  return config


def read_config(workdir: str | pathlib.Path) -> Config:
  """The config of a run directory.

  Raises:
    RunError: there is no run, or its config cannot be read.
  """
  path = pathlib.Path(workdir).expanduser() / "config.json"
  try:
    return from_json(path.read_text("utf-8"))
  except (FileNotFoundError, NotADirectoryError):
    raise RunError(
      f"{workdir}: no run here: config.json is missing; train one with"
      f" python -m experiments.train --workdir={workdir}"
    ) from None
  except (OSError, ValueError, ConfigError) as error:
    raise RunError(f"{path}: cannot be read: {error}") from None


def read_vocabulary(workdir: str | pathlib.Path) -> CharVocabulary:
  """The vocabulary of a run directory.

  Raises:
    RunError: it is missing or damaged.
  """
  path = pathlib.Path(workdir).expanduser() / "vocabulary.json"
  try:
    return CharVocabulary(json.loads(path.read_text("utf-8")))
  except (OSError, ValueError, AttributeError) as error:
    raise RunError(f"{path}: cannot be read: {error}") from None


def read_record(workdir: str | pathlib.Path) -> dict[str, Any]:
  """run.json, or an empty dictionary before the first start."""
  path = pathlib.Path(workdir).expanduser() / "run.json"
  try:
    return json.loads(path.read_text("utf-8"))
  except FileNotFoundError:
    return {}
  except (OSError, ValueError) as error:
    raise RunError(f"{path}: cannot be read: {error}") from None


def check_data(path: pathlib.Path, data: dict[str, Any]):
  """Refuses to go on with other data than the run began with.

  Raises:
    RunError: says what changed.
  """
  old = read_record(path).get("data", data)
  changed = [k for k in old if k != "corpus" and old[k] != data.get(k)]
  if changed:
    raise RunError(
      f"{path}: the data changed since the run began (from {old['corpus']} to"
      f" {data['corpus']}: {', '.join(changed)}); a resumed run needs the same"
      " text, a new one another --workdir"
    )


def write_config(
  path: pathlib.Path, config: Config, vocabulary: CharVocabulary
):
  """Writes config.json and vocabulary.json: from now on it is a run directory.

  Raises:
    RunError: they cannot be written.
  """
  with _writing(path):
    write_atomically(path / "config.json", to_json(config) + "\n")
    write_atomically(
      path / "vocabulary.json", json.dumps(vocabulary.characters) + "\n"
    )


def write_start(
  path: pathlib.Path,
  data: dict[str, Any],
  parameters: int,
  step: int,
  command: str,
):
  """Adds to run.json what starts here: command, code, versions and device.

  Raises:
    RunError: it cannot be written.
  """
  device = jax.devices()[0]
  start = {
    "from_step": step,
    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    "command": command,
    "commit": _git("rev-parse", "HEAD"),
    "uncommitted_changes": bool(_git("status", "--porcelain")),
    "python": platform.python_version(),
    "versions": {name: metadata.version(name) for name in _PACKAGES},
    "host": platform.node(),
    "platform": device.platform,
    "device": device.device_kind,
    "devices": jax.device_count(),
    "cpu_cores": os.cpu_count(),
  }
  record = {
    "data": data,
    "parameters": parameters,
    "starts": [*read_record(path).get("starts", []), start],
  }
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


class Run(NamedTuple):
  """A trained model, as `load_run` gives it."""

  model: nnx.Module
  params: Params
  config: Config
  vocabulary: CharVocabulary
  step: int  # of the checkpoint


def digest(params: Params) -> str:
  """SHA-256 over the names, shapes and bytes of all parameters."""
  sha = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(params):
    leaf = np.asarray(leaf)
    sha.update(f"{jax.tree_util.keystr(path)} {leaf.shape}\n".encode())
    sha.update(leaf.tobytes())
  return sha.hexdigest()


def load_run(
  workdir: str | pathlib.Path, checkpoint: str | int = "best"
) -> Run:
  """Loads a run's model with its parameters, ready to be called.

  `run.model(tokens)` gives logits and likelihoods; `run.vocabulary.encode`
  makes tokens of text.

  Args:
    workdir: a run directory.
    checkpoint: "best" by validation, "latest", or a step.

  Raises:
    RunError: there is no run, or no such checkpoint, or it is damaged.
  """
  config = read_config(workdir)
  vocabulary = read_vocabulary(workdir)
  structure, params = make_model(
    lambda rngs: config.model.build(len(vocabulary), rngs), config.train.seed
  )
  path = pathlib.Path(workdir).expanduser()
  with Checkpointer(path) as checkpointer:
    params, step = checkpointer.load_params(str(checkpoint), params)
  return Run(nnx.merge(structure, params), params, config, vocabulary, step)
