"""Points as tasks of a SLURM job array, submitted with submitit.

SWEEP/slurm has the batch scripts, what the tasks printed, and jobs.json, which
task trains which run. Submitting is all that is done here: the same command
again submits what is neither finished nor queued. A task that nears its time
limit, or is preempted, lets its training save, and is queued again.
"""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
from typing import Any

from experiments.command_line import EXIT_SAVED_ON_SIGTERM
from experiments.launchers.child import Child, Job, Place, is_saved
from lstm_jax.errors import ConfigError, RunError, suggest
from lstm_jax.files import write_atomically

# Options of sbatch, with _ for -. The time is in minutes; `setup` is a command
# of the shell before the training.
OPTIONS = (
  *("account", "constraint", "cpus_per_task", "exclude", "gpus_per_node"),
  *("gres", "mem", "nodelist", "partition", "qos", "setup", "time"),
)
_NUMBERS = ("cpus_per_task", "gpus_per_node", "time")
_MINUTES = 60
# Times that a run may meet its time limit and go on.
_TIME_LIMITS = 10_000
_JOBS = "jobs.json"


class Training:
  """Trains a run, as a task of a job; submitit calls it."""

  def __init__(self, job: Job):
    self.job, self._child = job, None

  def __call__(self):
    # SLURM may signal all processes of a task. SIGUSR2 is submitit's alone, so
    # that the child never sees it; SIGTERM comes to this process alone where
    # SLURM cancels. Both wait until there is a child to stop.
    waiting = (signal.SIGUSR2, signal.SIGTERM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    child = self._child = Child(self.job, Place())
    signal.signal(signal.SIGTERM, lambda *_: child.stop())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    code = child.wait()
    if code and is_saved(code, stopped=True):
      code = EXIT_SAVED_ON_SIGTERM  # so that RequeueExit=75 of slurm.conf works
    if code:
      sys.exit(code)

  def checkpoint(self) -> Any:
    """Saves; submitit asks for it before it queues the task again."""
    from submitit.helpers import DelayedSubmission

    if self._child:
      self._child.stop()
      self._child.wait()
    return DelayedSubmission(Training(self.job))


def parse_options(words: list[str]) -> dict[str, int | str]:
  """The options of --slurm=KEY=VALUE,...

  Raises:
    ConfigError: an unknown option, or a wrong value.
  """
  options: dict[str, int | str] = {"time": _MINUTES}
  for word in words:
    name, equals, value = word.partition("=")
    if name not in OPTIONS:
      raise ConfigError(
        f'--slurm: unknown option "{name}"' + suggest(name, OPTIONS)
      )
    if not equals or not value:
      raise ConfigError(f"--slurm: {name} has no value; give {name}=VALUE")
    if name in _NUMBERS and not (value.isdecimal() and int(value)):
      unit = " of minutes" if name == "time" else ""
      raise ConfigError(
        f"--slurm: {name} must be a number{unit} above 0, got {value!r}"
      )
    options[name] = int(value) if name in _NUMBERS else value
  return options


def batch_script(
  workdir: pathlib.Path, jobs: list[Job], options: dict, at_once: int
) -> str:
  """The batch script of an array of these jobs.

  at_once: tasks that may run at the same time; 0 is as many as submitit says.

  Raises:
    ConfigError: submitit is not installed.
  """
  executor = _executor(workdir, options, at_once)
  if len(jobs) > 1:
    executor.parameters["map_count"] = len(jobs)
  return executor._make_submission_file_text(executor._submitit_command_str, "")


def submit(
  workdir: pathlib.Path, jobs: list[Job], options: dict, at_once: int
) -> list[str]:
  """Submits those of the jobs that SLURM has not; returns their numbers there.

  Raises:
    ConfigError, RunError: there is no submitit or no SLURM, or it refuses.
  """
  executor = _executor(workdir, options, at_once)
  for command in ("sbatch", "srun", "squeue"):
    if not shutil.which(command):
      raise ConfigError(
        f"--launcher=slurm: there is no {command} on this machine; --dry_run"
        " shows the batch script"
      )
  known, queued = _read_jobs(workdir), _queued()
  new = [job for job in jobs if known.get(job.name) not in queued]
  if not new:
    return []
  try:
    submitted = executor.submit_array([Training(job) for job in new])
  except RuntimeError as error:  # submitit's, with the words of sbatch
    raise RunError(f"--launcher=slurm: {error}") from None
  numbers = [job.job_id for job in submitted]
  known |= dict(zip([job.name for job in new], numbers, strict=True))
  write_atomically(workdir / "slurm" / _JOBS, json.dumps(known, indent=1))
  return numbers


def _executor(workdir, options, at_once):
  try:
    import submitit
  except ImportError:
    raise ConfigError(
      "--launcher=slurm: submitit is not installed; pip install submitit"
    ) from None

  class Executor(submitit.SlurmExecutor):
    """Shows its script where there is no SLURM too."""

    @classmethod
    def affinity(cls) -> int:
      return 2

  executor = Executor(workdir / "slurm", max_num_timeout=_TIME_LIMITS)
  settings = dict(options)
  if "setup" in settings:
    settings["setup"] = [settings["setup"]]
  if at_once:
    settings["array_parallelism"] = at_once
  executor.update_parameters(
    job_name=workdir.resolve().name,
    stderr_to_stdout=True,
    wckey=None,
    **settings,
  )
  return executor


def _read_jobs(workdir) -> dict[str, str]:
  path = workdir / "slurm" / _JOBS
  try:
    return json.loads(path.read_text("utf-8"))
  except FileNotFoundError:
    return {}
  except (OSError, ValueError) as error:
    raise RunError(f"{path}: cannot be read: {error}") from None


def _queued() -> set[str]:
  """The numbers of the user's jobs that wait or run, as 1234_5."""
  command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
  done = subprocess.run(command, capture_output=True, text=True)
  if done.returncode:
    raise RunError(f"--launcher=slurm: squeue: {done.stderr}")
  return set(done.stdout.split())
