"""One training process of a sweep: its command, its log, how it ended.

SWEEP/NAME/            the run directory
SWEEP/logs/NAME.txt    what it printed, and in the last line how it ended
"""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from experiments.command_line import EXIT_SAVED_ON_SIGINT, EXIT_SAVED_ON_SIGTERM
from lstm_jax.parallel.runtime import with_xla_flags

_ENDED = "exit code"
_STOPPED = "stopped, "  # before it, in the log, where the launcher ended it
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # that let it save


class Job(NamedTuple):
  sweep: pathlib.Path
  name: str
  words: tuple[str, ...]  # --config=FILE --config.a.b=value ...

  @property
  def directory(self) -> pathlib.Path:
    return self.sweep / self.name

  @property
  def log(self) -> pathlib.Path:
    return self.sweep / "logs" / f"{self.name}.txt"

  def command(self) -> list[str]:
    module = ["python", "-m", "experiments.train"]
    return [*module, self.words[0], f"--workdir={self.directory}"] + list(
      self.words[1:]
    )


class Place(NamedTuple):
  """Where a process runs: cores of the machine, or an accelerator."""

  number: int = 0
  cores: frozenset[int] | None = None
  environment: tuple[tuple[str, str], ...] = ()


class Child:
  """A running training process. Dies with its launcher, after saving (Linux).

  place: it gets these cores alone, and no more threads than cores.
  """

  def __init__(self, job: Job, place: Place):
    self.job, self._started, self._stopped = job, time.monotonic(), False
    job.log.parent.mkdir(parents=True, exist_ok=True)
    self._log = job.log.open("a", encoding="utf-8")
    self._process = subprocess.Popen(
      [sys.executable, *job.command()[1:]],
      stdin=subprocess.DEVNULL,
      stdout=self._log,
      stderr=subprocess.STDOUT,
      env=dict(os.environ) | _threads(place.cores) | dict(place.environment),
      start_new_session=True,  # Ctrl-C is the launcher's to pass on
      preexec_fn=_make_prepare(place.cores),
    )

  def poll(self) -> int | None:
    """The exit code, once there is one; the log's last line tells it too."""
    code = self._process.poll()
    if code is not None and not self._log.closed:
      seconds = time.monotonic() - self._started
      with contextlib.suppress(OSError):
        how = _STOPPED * is_saved(code, self._stopped) + f"{_ENDED} {code}"
        self._log.write(f"{how} after {seconds:.1f} s\n")
        self._log.close()
    return code

  def wait(self) -> int | None:
    """The exit code, at the end (Linux)."""
    # Not Popen.wait: it has a lock, for which a signal's handler would wait.
    with contextlib.suppress(ChildProcessError):
      os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
    return self.poll()

  def stop(self):
    """Lets it save and end. A second signal would cut that short."""
    if not self._stopped:
      self._stopped = True
      self._process.send_signal(signal.SIGTERM)

  def beat(self):
    """Shows by the log's time that this launcher is alive."""
    with contextlib.suppress(OSError):
      os.utime(self.job.log)


def is_saved(code: int, stopped: bool = False) -> bool:
  """The process was stopped, and the same command goes on.

  A signal of SIGNALS ends it only before it can save, with nothing to save yet.
  stopped: the launcher wanted it to end, which the system may hasten.
  """
  saved = (EXIT_SAVED_ON_SIGINT, EXIT_SAVED_ON_SIGTERM)
  return code in (*saved, *(-number for number in SIGNALS)) or (
    stopped and code == -signal.SIGKILL
  )


def failure(job: Job) -> str:
  """Why a job's process failed, in a line; "" if it did not, or never ran."""
  try:
    lines = job.log.read_text("utf-8", errors="replace").splitlines()
  except OSError:
    return ""
  lines = [line.strip() for line in lines if line.strip()]
  if not lines or not lines[-1].startswith(_ENDED):
    return ""
  code = int(lines[-1].split()[2])
  if code == 0 or is_saved(code):
    return ""
  if code < 0:
    return f"killed by {signal.Signals(-code).name}"
  said = lines[-2] if len(lines) > 1 else f"{_ENDED} {code}"
  return said.removeprefix("error: ")


def _threads(cores) -> dict[str, str]:
  """As many threads as cores: XLA's pools, and NumPy's libraries."""
  if cores is None:
    return {}
  names = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
  settings = {name: str(len(cores)) for name in names}
  if len(cores) == 1:
    settings["XLA_FLAGS"] = with_xla_flags("--xla_cpu_multi_thread_eigen=false")
  return settings


def _make_prepare(cores):
  """What the new process does before it becomes Python."""
  if not sys.platform.startswith("linux"):
    return None
  libc = ctypes.CDLL(None)

  def prepare():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # Ray blocks some
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if cores:
      os.sched_setaffinity(0, cores)

  return prepare
