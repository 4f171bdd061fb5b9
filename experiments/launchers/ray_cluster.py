"""Points as trials of Ray Tune, on a cluster or on this machine.

Ray places the trials, starts those of a dead worker again, and, where the
points are of a search space, stops those that lag behind (ASHA; Li et al. 2020,
"A system for massively parallel hyperparameter tuning"). A trial is a training
process in its run directory, as of any other launcher, so that it goes on from
its checkpoint; validations of an earlier start count as they did then. All
nodes must see this directory and that of the sweep.
"""

import logging
import math
import os
import shutil
import signal
import socket
import time
from collections.abc import Set
from typing import Any

import ray
from ray import tune

from experiments.command_line import EXIT_SAVED_ON_SIGTERM
from experiments.launchers.child import SIGNALS, Child, Job, Place, is_saved
from experiments.signals import StopSignal
from experiments.sweep_table import SweepTable
from lstm_jax.config import Config
from lstm_jax.errors import ConfigError
from lstm_jax.parallel import runtime
from lstm_jax.run.status import read_curve, read_state

_SECONDS = 0.2  # between looks at a process
_PATIENCE = 10  # seconds for a cluster to answer
_DEATHS = 3  # of its worker, that a trial outlives
_SCORE, _TIME = "score", "validations"  # in what a trial reports
_SETTINGS = {
  "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours saves first
  "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # runs have their own
  "RAY_AIR_NEW_OUTPUT": "0",  # whose first lines are always shown
}


def run_on_ray(
  jobs: list[Job],
  config: Config,
  *,
  finished: Set[str] = frozenset(),
  early: bool = False,
  address: str = "",
  workers: int = 0,
) -> int | None:
  """Runs the jobs.

  finished: names of those of which only the scores are wanted.
  early: stops those that lag behind.
  address: of the cluster; "" starts one on this machine.
  workers: trials at once; 0 is as many as the cluster has cores, or
    accelerators.

  Returns:
    The signal that stopped it, else None.

  Raises:
    ConfigError: the cluster is not there, or too small.
  """
  _connect(address, workers * (config.run.threads or 1))
  resources, words = _resources(config)
  sweep = jobs[0].sweep.resolve()
  results, higher = sweep / "ray", config.task.headline.higher
  shutil.rmtree(results, ignore_errors=True)  # of an earlier start
  trials = [
    {
      "job": Job(sweep, job.name, (job.words[0], *words, *job.words[1:])),
      "finished": job.name in finished,
      "repository": os.getcwd(),
      "worst": -math.inf if higher else math.inf,
    }
    for job in jobs
  ]
  scheduler = None
  if early:  # without an end of its own, as a run ends by itself
    scheduler = tune.schedulers.ASHAScheduler(time_attr=_TIME, max_t=2**31 - 1)
  with StopSignal() as stop, SweepTable(len(jobs)) as table:
    tune.Tuner(
      tune.with_resources(TrainingProcess, resources),
      param_space={"trial": tune.grid_search(trials)},
      tune_config=tune.TuneConfig(
        metric=_SCORE,
        mode="max" if higher else "min",
        scheduler=scheduler,
        max_concurrent_trials=workers or None,
        trial_dirname_creator=lambda trial: trial.trial_id,
      ),
      run_config=tune.RunConfig(
        name=results.name,
        storage_path=str(sweep),
        failure_config=tune.FailureConfig(max_failures=_DEATHS),
        stop=StopAtSignal(stop),
        callbacks=[ShowInTable(table, stop)],
        verbose=0,
      ),
    ).fit()
  ray.shutdown()
  return stop.number


def _connect(address, cores):
  """Raises ConfigError where there is no such cluster."""
  os.environ |= _SETTINGS
  logging.getLogger("ray.tune").setLevel(logging.ERROR)
  cores = None if address else cores or runtime.cores()
  host, _, port = address.removeprefix("ray://").rpartition(":")
  try:
    if port.isdecimal():  # Ray itself would wait for minutes
      socket.create_connection((host, int(port)), _PATIENCE).close()
    # A signal to all of this process group is for us alone, not for Ray's own.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
      ray.init(
        address or "local",
        num_cpus=cores,
        include_dashboard=False if cores else None,
        log_to_driver=False,
        configure_logging=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.getcwd()}},
      )
    finally:
      signal.pthread_sigmask(signal.SIG_SETMASK, before)
  except (OSError, RuntimeError, ValueError) as error:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise ConfigError(f"--ray_address={address}: {reason}") from None


def _resources(config) -> tuple[dict[str, int], tuple[str, ...]]:
  """What a trial takes, and the words that keep it to that."""
  run, has = config.run, ray.cluster_resources()
  if run.platform != "cpu":
    for name, key in (("GPU", "gpu"), ("TPU", "TPU")):
      if has.get(name):
        return {"cpu": 1, key: 1}, ()
  words = () if run.devices else ("--config.run.devices=1",)
  if not run.threads:
    words += ("--config.run.threads=1",)
  most = max(node["Resources"].get("CPU", 0) for node in ray.nodes())
  if run.threads > most:
    raise ConfigError(
      f"run.threads: {run.threads} asked for, at most {most:g} on a node of Ray"
    )
  return {"cpu": run.threads or 1}, words


def _job(config) -> Job:
  return Job(*config["trial"]["job"])  # Tune makes plain tuples of ours


class TrainingProcess(tune.Trainable):
  """One training process; a step is a validation of it."""

  def setup(self, config: dict[str, Any]):
    trial = config["trial"]
    os.chdir(trial["repository"])
    self._job, self._finished = _job(config), trial["finished"]
    self._child, self._told, self._score = None, 0, trial["worst"]

  def step(self) -> dict[str, Any]:
    code = None
    while True:
      curve = read_curve(self._job.directory)
      if len(curve) > self._told:
        self._score = curve[self._told][1]
        self._told += 1
        return self._result()
      if code is not None:  # before the curve was read
        return self._result() | {"done": True, "exit_code": code}
      code = self._code()
      if code is None:
        time.sleep(_SECONDS)

  def cleanup(self):
    if self._child:
      self._child.stop()
      self._child.wait()

  def save_checkpoint(
    self, folder: str
  ) -> dict:  # the run directory has its own
    return {}

  def load_checkpoint(self, nothing: Any):
    pass

  def _result(self):
    return {_SCORE: self._score, _TIME: self._told}

  def _code(self) -> int | None:
    """The exit code; starts the process if there is none."""
    if self._finished:
      return 0
    if self._child is None:
      # Another may have to save first, whose worker died.
      if read_state(self._job.directory) != "running":
        self._child = Child(self._job, Place())
      return None
    code = self._child.poll()
    if code is not None and is_saved(code):
      self._child = None  # stopped from outside: goes on
      return None
    return code


class StopAtSignal(tune.Stopper):
  """Stops all trials at a signal."""

  def __init__(self, stop: StopSignal):
    self._stop = stop

  def __call__(self, trial, result):
    return False

  def stop_all(self) -> bool:
    return self._stop.number is not None

  def __reduce__(self):  # Tune keeps a copy, of which nothing is asked
    return object, ()


class ShowInTable(tune.Callback):
  """Tells the table what happens."""

  def __init__(self, table: SweepTable, stop: StopSignal):
    self._table, self._stop = table, stop

  def on_trial_start(self, iteration: int, trials: list, trial: Any, **more):
    self._table.started(_job(trial.config))

  def on_trial_complete(self, iteration: int, trials: list, trial: Any, **more):
    code = trial.last_result.get("exit_code", EXIT_SAVED_ON_SIGTERM)
    behind = is_saved(code) and self._stop.number is None
    self._table.ended(_job(trial.config), code, "lags behind" * behind)

  def on_trial_error(self, iteration: int, trials: list, trial: Any, **more):
    job = _job(trial.config)
    self._table.ended(job, EXIT_SAVED_ON_SIGTERM, "its workers died")

  def on_step_end(self, iteration: int, trials: list, **more):
    self._table.draw()

  def __reduce__(self):
    return object, ()
