"""Points that Optuna chooses (TPE), and stops where they lag behind (ASHA).

SWEEP/optuna.journal has every trial. More processes of the same command, on
this machine or others that share the directory, work on the same search; one
that died leaves its trials to the next, which goes on in their directories.
"""

import contextlib
import os
import pathlib
import platform
import time
from collections.abc import Callable

import optuna
from optuna.storages import journal
from optuna.trial import TrialState

from experiments.launchers.child import Job, is_saved
from experiments.launchers.local import JobList
from lstm_jax.config import show
from lstm_jax.config.sweeps import Choice, Integers, Point, SearchSpace
from lstm_jax.run.status import read_curve, read_state

_INSTEAD_OF = "instead_of"  # number of the trial that one takes over
_FAILED = "failed"  # its run did, by itself
_PRUNED = "pruned"  # its run lags behind
_TOLD = "told"  # how many of its validations Optuna knows
_NOBODY = "nobody"  # in place of a worker that has stopped
_MOMENT = 10  # seconds from telling that a trial is dead to queueing it again
_DEAD = 120  # seconds without a sign of life
_JOURNAL = "optuna.journal"


class OptunaSearch(JobList):
  """The trials of a study; those of all workers count."""

  def __init__(
    self,
    workdir: pathlib.Path,
    space: SearchSpace,
    make_job: Callable[[Point], Job],
    higher: bool = False,
  ):
    self._study = open_study(workdir, space, higher)
    self._best = max if higher else min
    self._space, self._make_job, self.total = space, make_job, space.trials
    self._running, self._waiting = {}, []  # trials by job; (job, trial)
    self.take_over()

  def is_done(self) -> bool:
    """Trials that failed count; those that were taken over, or whose worker
    died before they had a point, do not."""
    trials = self._study.get_trials(deepcopy=False)
    if self._waiting or any(t.state == TrialState.WAITING for t in trials):
      return False
    again = self._taken_over(trials)
    begun = [
      t
      for t in trials
      if t.number not in again
      and (t.state != TrialState.FAIL or self._is_whole(t))
    ]
    return len(begun) >= self.total

  def take(self, running: list[Job]) -> Job | None:
    """A trial may wait: for the same point of a small space, which is under way
    here, or for a process to save that has lost its launcher."""
    if not self._waiting:
      trial = self._study.ask()
      trial.set_user_attr("worker", _me())
      job = self._make_job(suggest_point(trial, self._space))
      self._waiting.append((job, trial))
    for job, trial in self._waiting:
      if job not in running and read_state(job.directory) != "running":
        self._waiting.remove((job, trial))
        self._running[job] = trial
        return job
    return None

  def watch(self, job: Job) -> str:
    """Tells Optuna the validations that are new; one is the unit of rungs."""
    trial = self._running[job]
    told = trial.user_attrs.get(_TOLD, 0)
    for count, (_, score) in enumerate(read_curve(job.directory)[told:], told):
      if _PRUNED in trial.user_attrs:
        break
      trial.report(score, count + 1)
      trial.set_user_attr(_TOLD, count + 1)
      if trial.should_prune():
        trial.set_user_attr(_PRUNED, True)
    return "lags behind" * (_PRUNED in trial.user_attrs)

  def put_back(self, job: Job, code: int, stopped: bool) -> bool:
    trial, tell = self._running.pop(job), self._study.tell
    curve = read_curve(job.directory)
    if _PRUNED in trial.user_attrs:
      tell(trial, state=TrialState.PRUNED)
    elif code == 0 and curve:
      tell(trial, self._best(score for _, score in curve))
    elif not is_saved(code, stopped):
      trial.set_user_attr(_FAILED, True)
      tell(trial, state=TrialState.FAIL)
    elif stopped:  # with this launcher: the next one takes it over
      trial.set_user_attr("worker", _NOBODY)
    else:  # from outside
      self._waiting.append((job, trial))
      return True
    return False

  def tried(self) -> dict[Job, Point]:
    """Every point that was tried, by whatever worker."""
    trials = filter(self._is_whole, self._study.get_trials())
    points = [_point(trial.params, self._space) for trial in trials]
    return {self._make_job(point): point for point in points}

  def take_over(self):
    """Queues the points of trials whose worker has died again."""
    ours, fail = set(), TrialState.FAIL
    for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
      log = None
      if self._is_whole(trial):
        log = self._make_job(_point(trial.params, self._space)).log
      if not _lives(trial, log):
        with contextlib.suppress(ValueError):  # another worker has just done so
          self._study.tell(trial.number, state=fail)
          ours |= {trial.number, trial.user_attrs.get(_INSTEAD_OF)}
    trials = self._study.get_trials(deepcopy=False)
    again = self._taken_over(trials)
    for trial in trials:
      if trial.state != fail or not self._is_whole(trial):
        continue
      # Another worker may have died before it queued what it told.
      told = time.time() - trial.datetime_complete.timestamp() > _MOMENT
      done = trial.number in again or _FAILED in trial.user_attrs
      if (trial.number in ours or told) and not done:
        attributes = {_INSTEAD_OF: trial.number}
        self._study.enqueue_trial(trial.params, user_attrs=attributes)

  def _taken_over(self, trials) -> set[int | None]:
    """Numbers of the trials whose points others have, or will have."""
    return {
      trial.user_attrs.get(_INSTEAD_OF)
      for trial in trials
      if trial.state != TrialState.FAIL or self._is_whole(trial)
    }

  def _is_whole(self, trial) -> bool:
    """It has a point. A worker that dies while asking leaves some without."""
    return len(trial.params) == len(self._space.axes)


def open_study(
  workdir: pathlib.Path, space: SearchSpace, higher: bool = False
) -> optuna.Study:
  """The study of a directory.

  higher: whether more of the score is better.
  """
  optuna.logging.set_verbosity(optuna.logging.WARNING)
  workdir.mkdir(parents=True, exist_ok=True)
  study = optuna.create_study(
    study_name="sweep",
    storage=optuna.storages.JournalStorage(
      journal.JournalFileBackend(str(workdir / _JOURNAL))
    ),
    load_if_exists=True,
    direction="maximize" if higher else "minimize",
    pruner=optuna.pruners.SuccessiveHalvingPruner(),
  )
  # Another start, or worker, must not draw the first one's points again. A
  # trial under way counts as a bad one, so that workers keep apart.
  seed = space.seed + len(study.get_trials(deepcopy=False))
  study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
  return study


def suggest_point(trial: optuna.Trial, space: SearchSpace) -> Point:
  """A point from Optuna."""
  for name, axis in space.axes.items():
    if isinstance(axis, Choice):
      trial.suggest_categorical(name, [show(v) for v in axis.values])
    elif isinstance(axis, Integers):
      trial.suggest_int(name, axis.low, axis.high, log=axis.log)
    else:
      trial.suggest_float(name, axis.low, axis.high, log=axis.log)
  return _point(trial.params, space)


def _point(params, space) -> Point:
  point = {}
  for name, axis in space.axes.items():
    value = params[name]
    if isinstance(axis, Choice):
      value = next(v for v in axis.values if show(v) == value)
    elif not isinstance(axis, Integers):
      value = float(f"{value:.4g}")  # a name that can be read
    point[name] = value
  return point


def _me() -> str:
  return f"{platform.node()} {os.getpid()}"


def _lives(trial, log: pathlib.Path | None) -> bool:
  """Whether a trial's launcher does: here by its process, elsewhere by the
  trial's log, whose time it sets; one without is about to begin, or never
  will."""
  worker = trial.user_attrs.get("worker", "")
  if worker in (_NOBODY, _me()):  # an earlier process had our number
    return False
  host, _, process = worker.rpartition(" ")
  try:
    if host == platform.node():
      os.kill(int(process), 0)
      return True
    if log and log.exists():
      return time.time() - log.stat().st_mtime < _DEAD
  except (OSError, ValueError):
    return False
  return time.time() - trial.datetime_start.timestamp() < _DEAD
