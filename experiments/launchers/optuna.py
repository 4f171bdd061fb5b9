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

from experiments.launchers.child import Child, Job, Place, is_saved
from experiments.signals import StopSignal
from experiments.sweep_table import SweepTable
from lstm_jax.config import show
from lstm_jax.config.sweeps import Choice, Integers, Point, SearchSpace
from lstm_jax.errors import ConfigError
from lstm_jax.run.status import read_curve, read_state

_SECONDS = 0.2  # between looks at the processes
_INSTEAD_OF = "instead_of"  # number of the trial that one takes over
_UNCOUNTED = "uncounted"  # its point was tried by another trial
_FAILED = "failed"  # its run did, by itself
_NOBODY = "nobody"  # in place of a worker that has stopped
_MOMENT = 10  # seconds from telling that a trial is dead to queueing it again
_DEAD = 120  # seconds without a sign of life
_JOURNAL = "optuna.journal"


def run_search(
  workdir: pathlib.Path,
  space: SearchSpace,
  make_job: Callable[[Point], Job],
  places: list[Place],
) -> tuple[int | None, list[tuple[Job, Point]]]:
  """Tries as many points as the space says, the trials of all workers counted.

  Returns:
    The signal that stopped it, else None, and every point that was tried.

  Raises:
    ConfigError: Optuna is not installed, or a point makes no sense.
  """
  running, clashed = {}, False
  with StopSignal() as stop, SweepTable([], space.trials) as table:
    study, states = open_study(workdir, space)
    _take_over(study, states, space, make_job)
    while running or (stop.number is None and _left(study, states, space)):
      for place in places:
        free = place not in running and stop.number is None
        if free and not clashed and _left(study, states, space):
          trial = study.ask()
          trial.set_user_attr("worker", _me())
          job = make_job(suggest(trial, space))
          if any(job == child.job for _, child in running.values()):
            # A small space: the same point, which is under way here. The next
            # is asked for when a run has ended.
            clashed = True
            trial.set_user_attr(_UNCOUNTED, True)
            study.tell(trial, state=states.FAIL)
            continue
          while read_state(job.directory) == "running" and stop.number is None:
            time.sleep(_SECONDS)  # it saves, after its launcher's death
          running[place] = trial, Child(job, place)
          table.started(job)
      time.sleep(_SECONDS)
      for place, (trial, child) in list(running.items()):
        child.beat()
        curve = read_curve(child.job.directory)
        pruned = trial.user_attrs.get("pruned") or _report(trial, curve)
        code = child.poll()
        if code is None and (pruned or stop.number is not None):
          child.stop()
        elif code is not None:
          del running[place]
          clashed, stopped = False, stop.number is not None
          note = "lags behind" * bool(pruned)
          table.ended(child.job, code, note, stopped)
          if pruned:
            study.tell(trial, state=states.PRUNED)
          elif code == 0 and curve:
            study.tell(trial, min(value for _, value in curve))
          elif not is_saved(code, stopped):
            trial.set_user_attr(_FAILED, True)
            study.tell(trial, state=states.FAIL)
          elif stopped:  # with this launcher: the next one takes it over
            trial.set_user_attr("worker", _NOBODY)
          else:  # from outside: goes on
            running[place] = trial, Child(child.job, place)
            table.started(child.job)
      table.draw()
  tried = [
    _point(trial.params, space)
    for trial in study.get_trials()
    if _is_whole(trial, space)
  ]
  jobs = {job.name: (job, p) for p in tried for job in [make_job(p)]}
  return stop.number, list(jobs.values())


def suggest(trial, space: SearchSpace) -> Point:
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


def open_study(workdir: pathlib.Path, space: SearchSpace):
  """The study of a directory, and the states that its trials may have.

  Raises:
    ConfigError: Optuna is not installed.
  """
  try:
    import optuna
    from optuna.storages import journal
  except ImportError:
    raise ConfigError(
      "--launcher=optuna: it is not installed; pip install optuna"
    ) from None
  optuna.logging.set_verbosity(optuna.logging.WARNING)
  workdir.mkdir(parents=True, exist_ok=True)
  storage = optuna.storages.JournalStorage(
    journal.JournalFileBackend(str(workdir / _JOURNAL))
  )
  study = optuna.create_study(
    study_name="sweep",
    storage=storage,
    load_if_exists=True,
    direction="minimize",
    pruner=optuna.pruners.SuccessiveHalvingPruner(),
  )
  # Another start, or worker, must not draw the first one's points again. A
  # trial under way counts as a bad one, so that workers keep apart.
  seed = space.seed + len(study.get_trials(deepcopy=False))
  study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
  return study, optuna.trial.TrialState


def _left(study, states, space) -> bool:
  """Trials that failed count; those that were taken over, or whose worker died
  before they had a point, do not."""
  trials = study.get_trials(deepcopy=False)
  if any(trial.state == states.WAITING for trial in trials):
    return True
  again = _taken_over(trials, states, space)
  begun = [
    t
    for t in trials
    if t.number not in again
    and _UNCOUNTED not in t.user_attrs
    and (t.state != states.FAIL or _is_whole(t, space))
  ]
  return len(begun) < space.trials


def _take_over(study, states, space, make_job):
  """Queues the points of trials whose worker has died again."""
  ours = set()
  for trial in study.get_trials(states=(states.RUNNING,)):
    log = None
    if _is_whole(trial, space):
      log = make_job(_point(trial.params, space)).log
    if _lives(trial, log):
      continue
    with contextlib.suppress(ValueError):  # another worker has just done so
      study.tell(trial.number, state=states.FAIL)
      ours |= {trial.number, trial.user_attrs.get(_INSTEAD_OF)}
  trials = study.get_trials(deepcopy=False)
  again = _taken_over(trials, states, space)
  for trial in trials:
    if trial.state != states.FAIL or not _is_whole(trial, space):
      continue
    # Another worker may have died before it queued what it told.
    told = time.time() - trial.datetime_complete.timestamp() > _MOMENT
    itself = {_FAILED, _UNCOUNTED} & trial.user_attrs.keys()
    if (trial.number in ours or told) and not itself | {trial.number} & again:
      attributes = {_INSTEAD_OF: trial.number}
      study.enqueue_trial(trial.params, user_attrs=attributes)


def _taken_over(trials, states, space) -> set[int | None]:
  """Numbers of the trials whose points others have, or will have."""
  return {
    trial.user_attrs.get(_INSTEAD_OF)
    for trial in trials
    if trial.state != states.FAIL or _is_whole(trial, space)
  }


def _is_whole(trial, space) -> bool:
  """It has a point. A worker that dies while asking leaves some without."""
  return len(trial.params) == len(space.axes)


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


def _report(trial, curve) -> bool:
  """Tells Optuna the validations that are new; whether to stop the trial.

  The unit of its rungs is one validation.
  """
  for count in range(trial.user_attrs.get("told", 0), len(curve)):
    trial.report(curve[count][1], count + 1)
    trial.set_user_attr("told", count + 1)
    if trial.should_prune():
      trial.set_user_attr("pruned", True)
      return True
  return False
