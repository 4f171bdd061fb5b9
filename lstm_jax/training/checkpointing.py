"""Checkpoints of a run, written by Orbax and checked on the way back.

Orbax commits a checkpoint atomically but does not notice a flipped byte, so
after each commit a manifest with the SHA-256 of every file is put inside it. A
checkpoint without a matching manifest is never loaded. This is the only module
that imports Orbax.
"""

import concurrent.futures
import hashlib
import json
import math
import os
import pathlib
import shutil
from typing import Any

import jax
import jax.numpy as jnp
from orbax.checkpoint import v1 as ocp

from lstm_jax.array_types import Params
from lstm_jax.errors import CheckpointError
from lstm_jax.files import write_atomically
from lstm_jax.training.train_state import TrainState, shape_difference

MANIFEST = "manifest.json"


class Checkpointer:
  """The checkpoints of one run directory: the last two and the best.

  The best is the one with the lowest validation loss. `save` returns before the
  files are written; `poll`, called once a step, completes what has been.
  """

  def __init__(self, workdir: str | pathlib.Path, *, writing: bool = False):
    self._workdir = pathlib.Path(workdir).absolute()
    self._directory = self._workdir / "checkpoints"
    policies = ocp.training.preservation_policies
    if not writing and not self._directory.is_dir():
      raise CheckpointError(
        f"{workdir}: no checkpoint here; train first with"
        " python -m experiments.train --workdir=" + str(workdir)
      )
    # When a directory cannot be made in the background, Orbax's other threads
    # wait minutes for it, and the process with them.
    directories_first = ocp.options.AsyncOptions(
      create_directories_asynchronously=False
    )
    self._orbax = ocp.training.Checkpointer(
      self._directory,
      context=ocp.Context(async_options=directories_first),
      preservation_policy=policies.AnyPreservationPolicy(
        [
          policies.LatestN(2),
          policies.BestN(
            n=1,
            get_metric_fn=lambda metrics: -metrics["loss"],
            keep_checkpoints_without_metrics=False,
          ),
        ]
      ),
      cleanup_tmp_directories=writing,
    )
    self._worker = concurrent.futures.ThreadPoolExecutor(1)
    self._saving = None  # (step, orbax's response)
    self._hashing = None  # (step, future of its manifest)
    self._saved = {self.latest_step()}

  def __enter__(self):
    return self

  def __exit__(self, kind, error, traceback):
    try:
      self.wait()
      with _as_checkpoint_error(self._workdir, "of the last step"):
        self._orbax.close()
    except Exception:
      if error is None:
        raise  # else the error under way says what was wrong first
    finally:
      self._worker.shutdown()

  def steps(self) -> list[int]:
    """Steps of the checkpoints in the directory, sound or not."""
    return sorted(checkpoint.step for checkpoint in self._orbax.checkpoints)

  def latest_step(self) -> int | None:
    return max(self.steps(), default=None)

  def best_step(self) -> int | None:
    """The step with the lowest validation loss; None before a validation."""
    losses = {
      checkpoint.step: checkpoint.metrics["loss"]
      for checkpoint in self._orbax.checkpoints
      if checkpoint.metrics and math.isfinite(checkpoint.metrics["loss"])
    }
    return min(losses, key=lambda step: (losses[step], -step), default=None)

  def save(self, state: TrainState, validation_nats: float = math.inf):
    """Starts to save a state under its step, once the save before it is done.

    validation_nats: the loss that `best` compares; infinite where this step was
      not validated (one NaN would make Orbax drop the best).

    Raises:
      CheckpointError: this save or the one before it cannot be written.
    """
    step = int(state.step)
    if step in self._saved:
      return
    self.wait()
    # The training step donates the state's buffers while Orbax still reads.
    state = _copy(state)
    loss = validation_nats if math.isfinite(validation_nats) else math.inf
    with _as_checkpoint_error(self._workdir, step):
      response = self._orbax.save_checkpointables_async(
        step,
        {"params": state.params, "training": _training(state)},
        metrics={"loss": loss},
        force=True,
        overwrite=True,
      )
    self._saving = step, response
    self._saved.add(step)

  def poll(self):
    """Writes the manifest of a save that has been committed."""
    if self._saving and not self._orbax.is_saving_in_progress():
      self._commit()
    if self._hashing and self._hashing[1].done():
      self._finish_hashing()

  def wait(self):
    """Returns when everything handed to `save` is on disk with its manifest.

    Raises:
      CheckpointError: it cannot be written.
    """
    if self._saving:
      self._commit()
    self._finish_hashing()

  def _commit(self):
    (step, response), self._saving = self._saving, None
    with _as_checkpoint_error(self._workdir, step):
      response.result()
    self._finish_hashing()
    directory = self._directory / str(step)
    self._hashing = step, self._worker.submit(_write_manifest, directory)

  def _finish_hashing(self):
    if self._hashing:
      (step, future), self._hashing = self._hashing, None
      with _as_checkpoint_error(self._workdir, step):
        future.result()

  def restore_latest(
    self, state: TrainState
  ) -> tuple[TrainState | None, list[str]]:
    """The newest sound checkpoint, with the shapes and devices of `state`.

    Newer checkpoints and the best one, where they are damaged, move to damaged/
    in the run directory; what a kill left unfinished is removed.

    Returns:
      The restored state, None where there is nothing to restore, and a line for
      each checkpoint that was put away.

    Raises:
      CheckpointError: all are damaged, or a sound one does not fit `state`.
    """
    restored, unsound = None, {}
    for step in reversed(self.steps()):
      problem = find_damage(self._directory / str(step))
      if not problem:
        loaded = self._load(
          step, {"params": state.params, "training": _training(state)}
        )
        restored = state.replace(params=loaded["params"], **loaded["training"])
        self._saved.add(step)
        break
      unsound[step] = problem
    if restored is None and set(unsound.values()) - {UNFINISHED}:
      step, problem = next(iter(unsound.items()))
      raise CheckpointError(
        f"{self._workdir}: no sound checkpoint is left: checkpoint {step}"
        f" {problem}; start again in another --workdir"
      )
    notes = [self._put_away(*item) for item in unsound.items()]
    while (best := self.best_step()) is not None:
      if not (problem := find_damage(self._directory / str(best))):
        break
      notes.append(self._put_away(best, problem))
    return restored, notes

  def _put_away(self, step: int, problem: str) -> str:
    directory = self._directory / str(step)
    aside = self._workdir / "damaged" / str(step)
    if problem == UNFINISHED:
      shutil.rmtree(directory)
      where = "removed"
    else:
      aside.parent.mkdir(exist_ok=True)
      shutil.rmtree(aside, ignore_errors=True)
      os.rename(directory, aside)
      where = f"moved to damaged/{step}"
    self._saved.discard(step)
    self._orbax.reload()
    return f"checkpoint {step} {problem}; {where}"

  def load_params(self, checkpoint: str, like: Params) -> tuple[Params, int]:
    """Parameters of one checkpoint and its step; never another's.

    Args:
      checkpoint: "best", "latest" or a step.
      like: parameters with the shapes and devices wanted.

    Raises:
      CheckpointError: it does not exist, is damaged, or does not fit.
    """
    step = self._resolve(checkpoint)
    if problem := find_damage(self._directory / str(step)):
      raise CheckpointError(
        f"{self._workdir}: checkpoint {step} {problem}; others are "
        + _enumerate([s for s in self.steps() if s != step])
      )
    return self._load(step, {"params": like})["params"], step

  def _resolve(self, checkpoint: str) -> int:
    steps = self.steps()
    if not steps:
      raise CheckpointError(
        f"{self._workdir}: no checkpoint has been saved yet"
      )
    if checkpoint == "latest":
      return steps[-1]
    if checkpoint == "best":
      if (best := self.best_step()) is None:
        raise CheckpointError(
          f"{self._workdir}: no checkpoint has been validated yet; take"
          " --checkpoint=latest"
        )
      return best
    if not checkpoint.isdecimal() or int(checkpoint) not in steps:
      raise CheckpointError(
        f'{self._workdir}: no checkpoint "{checkpoint}"; there are best,'
        f" latest, {_enumerate(steps)}"
      )
    return int(checkpoint)

  def _load(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
    with _as_checkpoint_error(self._workdir, step, "cannot be loaded"):
      saved = self._orbax.checkpointables_metadata(step).metadata["params"]
      if problem := shape_difference(saved, like["params"]):
        raise ValueError(f"it is of another model: {problem}")
      return self._orbax.load_checkpointables(step, _abstract(like))


UNFINISHED = "was not finished"


def find_damage(directory: pathlib.Path) -> str | None:
  """What is wrong with a checkpoint's files; None if they are as saved."""
  try:
    wanted = json.loads((directory / MANIFEST).read_bytes())["sha256"]
  except FileNotFoundError:
    return UNFINISHED
  except (OSError, ValueError, KeyError, TypeError):
    return "is damaged: its manifest.json cannot be read"
  try:
    present = _hashes(directory)
  except OSError as error:
    return f"is damaged: {error.filename} cannot be read"
  for name in sorted(wanted):
    if name not in present:
      return f"is damaged: {name} is missing"
    if present[name] != wanted[name]:
      return f"is damaged: {name} has changed"
  return None


def _write_manifest(directory: pathlib.Path):
  text = json.dumps({"sha256": _hashes(directory)}, indent=2, sort_keys=True)
  write_atomically(directory / MANIFEST, text + "\n")


def _hashes(directory: pathlib.Path) -> dict[str, str]:
  hashes = {}
  for path in sorted(directory.rglob("*")):
    if path.is_file() and path.name != MANIFEST:
      with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
      hashes[path.relative_to(directory).as_posix()] = digest
  return hashes


@jax.jit
def _copy(state):
  return jax.tree.map(jnp.copy, state)


def _training(state: TrainState) -> dict[str, Any]:
  """Everything but the parameters, which evaluation loads on their own."""
  names = ("step", "opt_state", "carry", "key", "plateau")
  return {name: getattr(state, name) for name in names}


def _abstract(tree):
  return jax.tree.map(
    lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), tree
  )


def _enumerate(steps) -> str:
  return ", ".join(map(str, steps)) or "none"


class _as_checkpoint_error:
  """Turns what Orbax raises into one line."""

  def __init__(self, workdir, step, what="cannot be saved"):
    self.what = f"{workdir}: checkpoint {step} {what}"

  def __enter__(self):
    pass

  def __exit__(self, kind, error, traceback):
    if isinstance(error, Exception):
      cause = error.__cause__ or error
      text = str(cause).strip().splitlines() or [type(cause).__name__]
      raise CheckpointError(f"{self.what}: {text[0][:300]}") from error
