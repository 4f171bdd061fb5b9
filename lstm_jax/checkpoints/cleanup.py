"""Checkpoints that a kill or a bad disk left behind are put out of the way, and
one that is about to be written again is kept aside."""

import contextlib
import os
import pathlib
import shutil

from lstm_jax.checkpoints.manifest import UNFINISHED, find_damage
from lstm_jax.errors import CheckpointError

_ASIDE = "unvalidated"  # in the run directory


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
  _bring_back(workdir, directory)
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
      f" {unsound[step]}; start again in another run directory"
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


def keep_aside(workdir: pathlib.Path, directory: pathlib.Path, step: int):
  """Keeps the files of a checkpoint that is about to be written again: Orbax
  removes the old one first, and a kill would leave neither."""
  aside = workdir / _ASIDE / str(step)
  new = aside.with_suffix(".tmp")
  shutil.rmtree(aside.parent, ignore_errors=True)
  try:
    shutil.copytree(directory / str(step), new, copy_function=os.link)
  except (OSError, shutil.Error):  # a file system without hard links
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(directory / str(step), new)
  os.rename(new, aside)


def drop_aside(workdir: pathlib.Path):
  """What was kept aside is in its place again."""
  shutil.rmtree(workdir / _ASIDE, ignore_errors=True)


def _bring_back(workdir, directory):
  with contextlib.suppress(FileNotFoundError):
    for aside in (workdir / _ASIDE).iterdir():
      place = directory / aside.name
      if aside.name.isdecimal() and find_damage(place):
        shutil.rmtree(place, ignore_errors=True)
        os.rename(aside, place)
    drop_aside(workdir)
