"""Metrics of a run: metrics.jsonl, the record; TensorBoard; Weights & Biases.

WORKDIR/wandb has them for W&B, and in id.txt the run's name there, with which
later starts go on. Nothing is sent unless WANDB_MODE=online; `wandb sync
--append` of the folders in WORKDIR/wandb sends them later.
"""

import contextlib
import importlib.util
import json
import math
import os
import pathlib
import secrets
import sys
import time
from typing import Any

from tensorboardX import SummaryWriter

from lstm_jax.errors import ConfigError, RunError
from lstm_jax.files import write_atomically

NAME = "metrics.jsonl"


def read_metrics(workdir: str | pathlib.Path) -> list[dict[str, Any]]:
  """The lines of metrics.jsonl; a line that a kill cut is left out."""
  try:
    path = pathlib.Path(workdir) / NAME
    lines = path.read_text("utf-8", errors="replace").splitlines()
  except FileNotFoundError:
    return []
  except OSError as error:
    raise RunError(f"{path}: cannot be read: {error.strerror}") from None
  rows = []
  for line in lines:
    with contextlib.suppress(ValueError):
      row = json.loads(line)
      if isinstance(row, dict) and isinstance(row.get("step"), int):
        rows.append(row)
  return rows


class MetricWriter:
  """Appends one flat JSON object a line, and the same numbers to TensorBoard
  and Weights & Biases.

  A line's `seconds` are wall time since the run began, without the time between
  its starts and without work that was lost and done again.

  workdir: None writes nothing, for processes of a run but the first.
  first_step: number of updates done at the start. Later lines, written before
    a kill and about to be written again, are dropped.
  wandb_run: see `open_wandb`; closed at the end.
  """

  def __init__(
    self,
    workdir: str | pathlib.Path | None,
    first_step: int,
    tensorboard: bool,
    wandb_run: Any = None,
  ):
    self._tensorboard, self._wandb = None, wandb_run
    self._began = time.monotonic()
    if workdir is None:
      self._file = open(os.devnull, "w")
      return
    path = pathlib.Path(workdir) / NAME
    kept = [r for r in read_metrics(workdir) if r["step"] <= first_step]
    self._began -= max((row.get("seconds", 0) for row in kept), default=0)
    write_atomically(path, "".join(json.dumps(row) + "\n" for row in kept))
    self._file = path.open("a", encoding="utf-8")
    if tensorboard:
      self._tensorboard = SummaryWriter(
        str(pathlib.Path(workdir) / "tensorboard"), purge_step=first_step + 1
      )

  def __enter__(self):
    return self

  def __exit__(self, *error):
    with contextlib.suppress(OSError):  # every line was flushed before
      self._file.close()
    if self._tensorboard:
      self._tensorboard.close()
    if self._wandb:
      self._wandb.finish()

  def write_trial(self, step: int, trial: int, metrics: dict[str, float]):
    """Writes metrics of one trial, to metrics.jsonl alone."""
    self._append(step, {"trial": trial, **metrics})

  def write(self, step: int, **metrics: float):
    """Writes metrics of one step; non-finite ones become null, as JSON has it.

    Raises:
      RunError: the disk is full or the directory is gone.
    """
    self._append(step, metrics)
    finite = {k: v for k, v in metrics.items() if math.isfinite(v)}
    if self._tensorboard:
      for name, value in finite.items():
        self._tensorboard.add_scalar(name, value, step)
    if self._wandb:
      self._wandb.log({"step": step, **finite})

  def _append(self, step, metrics):
    row = {
      k: (v if not isinstance(v, float) or math.isfinite(v) else None)
      for k, v in metrics.items()
    }
    try:
      seconds = round(time.monotonic() - self._began, 3)
      line = {"step": step, "seconds": seconds, **row}
      self._file.write(json.dumps(line) + "\n")
      self._file.flush()
    except OSError as error:
      raise RunError(
        f"{self._file.name}: cannot be written: {error.strerror}"
      ) from error


def check_wandb(project: str):
  """
  Raises:
    ConfigError: a project is given, and there is no wandb.
  """
  if project and not _has_wandb():
    raise ConfigError("run.wandb: wandb is not installed; pip install wandb")


def open_wandb(
  workdir: str | pathlib.Path, project: str, config: str = "{}"
) -> Any:
  """The run of `wandb`, to log to; None where no project is given.

  config: JSON, to be shown beside the metrics.

  Raises:
    ConfigError, RunError: wandb is not installed, or refuses; the directory
      cannot be written.
  """
  if not project:
    return None
  check_wandb(project)
  import wandb

  workdir = pathlib.Path(workdir)
  try:
    run = wandb.init(
      project=project,
      name=workdir.name,
      id=_keep_id(workdir / "wandb" / "id.txt"),
      dir=str(workdir),
      mode=os.environ.get("WANDB_MODE") or "offline",
      resume="allow",
      config=json.loads(config),
      allow_val_change=True,  # of run.*, and of train.steps
      settings=wandb.Settings(console="off", silent=True),
    )
  except (wandb.Error, ValueError) as error:  # ValueError: its variables
    reason = " ".join(str(error).split())
    raise ConfigError(f"run.wandb={project}: {reason}") from None
  # Not wandb's own steps, which may not be logged again after a kill.
  run.define_metric("*", step_metric="step")
  return run


def _has_wandb() -> bool:
  if "wandb" in sys.modules:
    return sys.modules["wandb"] is not None
  return importlib.util.find_spec("wandb") is not None


def _keep_id(path: pathlib.Path) -> str:
  try:
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
      write_atomically(path, secrets.token_hex(4))
    return path.read_text("utf-8").strip()
  except (OSError, ValueError) as error:
    reason = getattr(error, "strerror", None) or error
    raise RunError(f"{path}: cannot be used: {reason}") from None
