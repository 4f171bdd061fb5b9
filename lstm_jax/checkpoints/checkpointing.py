"""Checkpoints of a run, written by Orbax and checked on the way back.

After each commit a manifest of its files is put inside the checkpoint; one that
does not match it is never loaded. This is the only module that imports Orbax.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import math
import os
import pathlib
import time
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from lstm_jax.array_types import Params
from lstm_jax.checkpoints.cleanup import (
  clean_up,
  drop_aside,
  keep_aside,
  steps_in,
)
from lstm_jax.checkpoints.manifest import (
  NONE,
  Validation,
  find_damage,
  read_validation,
  write_manifest,
)
from lstm_jax.errors import CheckpointError
from lstm_jax.files import plain_path
from lstm_jax.parallel import processes
from lstm_jax.training.averaging import Averages
from lstm_jax.training.state import TrainState, run_step, shape_difference


class Checkpointer:
  """The checkpoints of one run directory: the last two and the best.

  The best is the one with the lowest cost at validation, see `Score`. `save`
  returns before the files are written; `poll`, called once a step, completes
  what has been.
  """

  def __init__(self, workdir: str | pathlib.Path, *, writing: bool = False):
    self._workdir = pathlib.Path(workdir).absolute()
    self._directory = self._workdir / "checkpoints"
    if not writing and not self._directory.is_dir():
      raise CheckpointError(
        f"{workdir}: no checkpoint here; train a run there first"
      )
    if writing:
      try:
        self._directory.mkdir(exist_ok=True)
      except OSError as error:
        raise CheckpointError(
          f"{self._directory}: cannot be used: {error.strerror}"
        ) from None
    self._directory, self._handle = plain_path(self._directory)
    self._worker = concurrent.futures.ThreadPoolExecutor(1)
    # (step, validation, parameters' shapes, response)
    self._saving: tuple[int, Validation, Any, Any] | None = None
    self._hashing = None  # (step, future of its manifest)
    self._last_saved = None

  @functools.cached_property
  def _orbax(self):
    """What writes checkpoints, opened once damaged ones are put away."""
    context = ocp.Context()
    # When a directory cannot be made in the background, Orbax's other threads
    # wait minutes for it, and the process with them.
    context.asynchronous.create_directories_asynchronously = False
    policies = ocp.training.preservation_policies
    best = policies.BestN(
      n=1,
      get_metric_fn=lambda metrics: -metrics[self._judged_by()],
      keep_checkpoints_without_metrics=False,
    )
    kept = policies.AnyPreservationPolicy([policies.LatestN(2), best])
    return ocp.training.Checkpointer(
      str(self._directory),
      context=context,
      # Its own policies do not fit its Protocol of them.
      preservation_policy=kept,  # pyright: ignore[reportArgumentType]
      cleanup_tmp_directories=True,
    )

  def __enter__(self):
    return self

  def __exit__(self, kind, error, traceback):
    try:
      self.wait()
      if "_orbax" in self.__dict__:
        with _as_checkpoint_error(self._workdir, "of the last step"):
          self._orbax.close()
    except Exception:
      if error is None:
        raise  # else the error under way says what was wrong first
    finally:
      self._worker.shutdown()
      if self._handle is not None:
        os.close(self._handle)

  def steps(self) -> list[int]:
    """Steps of the checkpoints in the directory, sound or not."""
    return steps_in(self._directory)

  def _at(self, step: int) -> pathlib.Path:
    return self._directory / str(step)

  def latest_step(self) -> int | None:
    return max(self.steps(), default=None)

  def best_step(self) -> int | None:
    """The step of the best validation; None before one."""
    found, by = self.validations(), self._judged_by()
    return min(
      found, key=lambda step: (getattr(found[step], by), -step), default=None
    )

  def _judged_by(self) -> str:
    """The loss, where runs of older versions have written that alone."""
    found = self.validations().values()
    return "loss" if any(v.cost is None for v in found) else "cost"

  def is_validated(self, step: int) -> bool:
    """Whether a finished checkpoint has been validated."""
    return step in self.validations()

  def validations(self) -> dict[int, Validation]:
    """Of each finished checkpoint that was validated."""
    found = {step: read_validation(self._at(step)) for step in self.steps()}
    return {
      step: validation
      for step, validation in found.items()
      if validation is not None and math.isfinite(validation.loss)
    }

  def save(self, state: TrainState, validation: Validation = NONE):
    """Starts to save a state under its step, once the save before it is done.

    validation: that of this step (one NaN would make Orbax drop the best).

    Raises:
      CheckpointError: this save or the one before it cannot be written.
    """
    step = run_step(state)
    if not math.isfinite(validation.loss):
      validation = NONE
    again = step == self._last_saved
    if again and (validation == NONE or self.is_validated(step)):
      return
    self.wait()
    if again:  # a signal came before its validation was done
      if processes.is_first():
        keep_aside(self._workdir, self._directory, step)
      processes.wait("checkpoint kept aside")
    with _as_checkpoint_error(self._workdir, step):
      response = self._orbax.save_checkpointables_async(
        step,
        {"params": state.evaluated, "training": _training(state)},
        metrics=validation._asdict(),
        force=True,
        overwrite=True,
      )
    shapes = jax.eval_shape(lambda: state.evaluated)
    self._saving = step, validation, shapes, response
    self._last_saved = step

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
    self._commit()
    self._finish_hashing()

  def _commit(self):
    if self._saving is None:
      return
    (step, validation, params, response), self._saving = self._saving, None
    with _as_checkpoint_error(self._workdir, step):
      response.result()
      self._check_model(step, params)  # before anybody relies on it
    self._finish_hashing()
    if not processes.is_first():
      return
    writing = self._worker.submit(write_manifest, self._at(step), validation)
    self._hashing = step, writing

  def _finish_hashing(self):
    if self._hashing:
      (step, future), self._hashing = self._hashing, None
      with _as_checkpoint_error(self._workdir, step):
        future.result()
      drop_aside(self._workdir)

  def restore_latest(
    self, state: TrainState
  ) -> tuple[TrainState | None, list[str]]:
    """The newest sound checkpoint, with the shapes and devices of `state`.

    All checkpoints are checked, by the first process of a run; see
    `cleanup`.

    Returns:
      The restored state, None where there is nothing to restore, and a line for
      each checkpoint that was put away.

    Raises:
      CheckpointError: all are damaged, or a sound one does not fit `state`.
    """
    notes = []

    def find() -> str:
      nonlocal notes
      step, notes = clean_up(self._workdir, self._directory)
      return str(step)

    found = processes.share("step to go on from", find)
    self._last_saved = None if found == "None" else int(found)
    if self._last_saved is None:
      return None, notes
    like = {"params": state.evaluated, "training": _training(state)}
    return _restored(state, **self._load(self._last_saved, like)), notes

  def load_params(self, checkpoint: str, like: Params) -> tuple[Params, int]:
    """Parameters of one checkpoint and its step; never another's.

    Args:
      checkpoint: "best", "latest" or a step.
      like: parameters with the shapes and devices wanted.

    Raises:
      CheckpointError: it does not exist, is damaged, or does not fit.
    """
    step = int(
      processes.share(
        f"step of {checkpoint} in {self._workdir}",
        lambda: str(self._find_sound(checkpoint)),
      )
    )
    return self._load(step, {"params": like})["params"], step

  def _find_sound(self, checkpoint: str) -> int:
    for attempt in range(3):
      step = self._resolve(checkpoint)
      problem = find_damage(self._at(step))
      if not problem:
        return step
      if attempt < 2:
        time.sleep(0.5)  # a run under way may have replaced or be writing it
    raise CheckpointError(
      f"{self._workdir}: checkpoint {step} {problem}; others are "
      + _enumerate([s for s in self.steps() if s != step])
    )

  def _resolve(self, checkpoint: str) -> int:
    steps = self.steps()
    if not steps:
      raise CheckpointError(
        f"{self._workdir}: no checkpoint has been saved yet"
      )
    if checkpoint == "latest":
      finished = [s for s in steps if read_validation(self._at(s))]
      return (finished or steps)[-1]
    if checkpoint == "best":
      if (best := self.best_step()) is None:
        raise CheckpointError(
          f"{self._workdir}: no checkpoint has been validated yet; take"
          ' the checkpoint "latest"'
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
      self._check_model(step, like["params"])
      return ocp.load_checkpointables(str(self._at(step)), _abstract(like))

  def _check_model(self, step: int, params: Params):
    """Raises ValueError where a checkpoint's parameters are others."""
    found = ocp.checkpointables_metadata(str(self._at(step)))
    saved = found.metadata["params"]
    if not jax.tree.leaves(saved):
      raise ValueError("none of its arrays can be found again")
    if problem := shape_difference(saved, params):
      raise ValueError(f"it is of another model: {problem}")


def _training(state: TrainState) -> dict[str, Any]:
  """Everything but the parameters that evaluation loads on their own. Where
  those are averages, the others are among these."""
  rest = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
  if state.averages is None:
    del rest["params"], rest["averages"]
    return rest
  return rest | {"averages": state.averages._replace(mean=None)}


def _restored(state: TrainState, params: Params, training) -> TrainState:
  if state.averages is None:
    return state.replace(params=params, **training)
  averages = Averages(*training["averages"])._replace(mean=params)
  return state.replace(**training | {"averages": averages})


def _abstract(tree):
  return jax.tree.map(
    lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), tree
  )


def _enumerate(steps) -> str:
  return ", ".join(map(str, steps)) or "none"


@contextlib.contextmanager
def _as_checkpoint_error(workdir, step, what="cannot be saved"):
  """Turns what Orbax raises into one line."""
  try:
    yield
  except Exception as error:
    cause = error.__cause__ or error
    text = str(cause).strip().splitlines() or [type(cause).__name__]
    raise CheckpointError(
      f"{workdir}: checkpoint {step} {what}: {text[0][:300]}"
    ) from error
