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
from lstm_jax.training.train_state import TrainState

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
    self._orbax = ocp.training.Checkpointer(
      self._directory,
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
    self._hashing = None  # future of a manifest
    self._saved = {self.latest_step()}

  def __enter__(self):
    return self

  def __exit__(self, *error):
    try:
      self.wait()
    finally:
      self._worker.shutdown()
      self._orbax.close()

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
      step, response = self._saving
      self._saving = None
      with _as_checkpoint_error(self._workdir, step):
        response.result()
      self._hashing = self._worker.submit(
        _write_manifest, self._directory / str(step)
      )
    if self._hashing and self._hashing.done():
      self._finish_hashing()

  def wait(self):
    """Returns when everything handed to `save` is on disk with its manifest."""
    if self._saving:
      step, response = self._saving
      with _as_checkpoint_error(self._workdir, step):
        response.result()
    self.poll()
    self._finish_hashing()

  def _finish_hashing(self):
    hashing, self._hashing = self._hashing, None
    if hashing:
      with _as_checkpoint_error(self._workdir, self.latest_step()):
        hashing.result()

  def restore_latest(
    self, state: TrainState
  ) -> tuple[TrainState | None, list[str]]:
    """The newest sound checkpoint, with the shapes and devices of `state`.

    Newer checkpoints that are damaged move to damaged/ in the run directory;
    those that a kill left unfinished are removed.

    Returns:
      The restored state, None where there is nothing to restore, and a line for
      each checkpoint that was passed over.

    Raises:
      CheckpointError: all are damaged, or a sound one does not fit `state`.
    """
    notes, damaged = [], False
    for step in reversed(self.steps()):
      problem = find_damage(self._directory / str(step))
      if not problem:
        restored = self._load(step, state)
        self._saved.add(step)
        return restored, notes
      unfinished = problem == UNFINISHED
      damaged |= not unfinished
      notes.append(f"checkpoint {step} {problem}; " + self._put_away(step))
    if damaged:
      raise CheckpointError(
        f"{self._workdir}: no sound checkpoint is left ({'; '.join(notes)});"
        " start again in another directory"
      )
    return None, notes

  def _put_away(self, step):
    self._saved.discard(step)
    aside = self._workdir / "damaged" / str(step)
    aside.parent.mkdir(exist_ok=True)
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(self._directory / str(step), aside)
    self._orbax.reload()
    return f"moved to damaged/{step}"

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
    with _as_load_error(self._workdir, step):
      loaded = self._orbax.load_checkpointables(
        step, {"params": _abstract(like)}
      )
    return loaded["params"], step

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

  def _load(self, step: int, state: TrainState) -> TrainState:
    like = {"params": state.params, "training": _training(state)}
    with _as_load_error(self._workdir, step):
      loaded = self._orbax.load_checkpointables(step, _abstract(like))
    return state.replace(params=loaded["params"], **loaded["training"])


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
  """Turns what a save raises into one line."""

  what = "could not be saved"

  def __init__(self, workdir, step):
    self.where = f"{workdir}: checkpoint {step}"

  def __enter__(self):
    pass

  def __exit__(self, kind, error, traceback):
    if isinstance(error, Exception):
      cause = error.__cause__ or error
      text = str(cause).strip().splitlines() or [type(cause).__name__]
      raise CheckpointError(
        f"{self.where} {self.what}: {text[0][:300]}"
      ) from error


class _as_load_error(_as_checkpoint_error):
  what = "does not fit this model"
