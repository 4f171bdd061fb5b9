"""A run's metrics for Weights & Biases, where they are asked for.

WORKDIR/wandb has them, and in id.txt the run's name there, with which later
starts go on. Nothing is sent unless WANDB_MODE=online; `wandb sync --append` of
the folders in WORKDIR/wandb sends them later.
"""

import importlib.util
import json
import os
import pathlib
import secrets
import sys
from typing import Any

from lstm_jax.errors import ConfigError, RunError
from lstm_jax.files import write_atomically


def check_installed(project: str):
  """
  Raises:
    ConfigError: a project is given, and there is no wandb.
  """
  if project and not _is_installed():
    raise ConfigError("run.wandb: wandb is not installed; pip install wandb")


def open_run(
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
  check_installed(project)
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


def _is_installed() -> bool:
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
