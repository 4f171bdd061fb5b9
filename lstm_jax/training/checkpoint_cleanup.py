"""Checkpoints that a kill or a bad disk left behind, put out of the way."""

import os
import pathlib
import shutil

from lstm_jax.errors import CheckpointError
from lstm_jax.training.manifest import UNFINISHED, find_damage


def steps_in(directory: pathlib.Path) -> list[int]:
  """Steps of the checkpoints in a directory, sound or not."""
  names = (path.name for path in directory.iterdir())
  return sorted(int(name) for name in names if name.isdecimal())


def clean_up(
  workdir: pathlib.Path, directory: pathlib.Path
) -> tuple[int | None, list[str]]:
  """Checks every checkpoint in a directory. What is damaged moves to damaged/
  in the run directory; what a kill left unfinished is removed.

  Returns:
    The newest sound step, None where there is no checkpoint, and a line for
    each that was put away.

  Raises:
    CheckpointError: all are damaged.
  """
  steps = steps_in(directory)
  unsound = {
    step: problem
    for step in steps
    if (problem := find_damage(directory / str(step)))
  }
  unfinished = None
  if steps and unsound.get(steps[-1]) == UNFINISHED:
    unfinished = steps[-1]  # only the last save can have been interrupted
  sound = [step for step in steps if step not in unsound]
  if not sound and set(unsound) - {unfinished}:
    step = max(unsound.keys() - {unfinished})
    raise CheckpointError(
      f"{workdir}: no sound checkpoint is left: checkpoint {step}"
      f" {unsound[step]}; start again in another --workdir"
    )
  notes = []
  for step, problem in unsound.items():
    remove = step == unfinished
    put_away = _remove if remove else _move
    where = put_away(workdir, directory / str(step))
    notes.append(f"checkpoint {step} {problem}; {where}")
  return max(sound, default=None), notes


def _remove(workdir, checkpoint) -> str:
  shutil.rmtree(checkpoint)
  return "removed"


def _move(workdir, checkpoint) -> str:
  aside = workdir / "damaged" / checkpoint.name
  aside.parent.mkdir(exist_ok=True)
  shutil.rmtree(aside, ignore_errors=True)
  os.rename(checkpoint, aside)
  return f"moved to damaged/{checkpoint.name}"
