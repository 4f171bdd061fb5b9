"""Jobs on this machine: one process a core, or an accelerator.

Two small runs on two cores take no longer than one, as each process keeps to
its own core and starts one thread. Compiled programs are shared on disk.
"""

import importlib.util
import itertools
import os
import pathlib
import time

from experiments.launchers.child import Child, Job, Place, is_saved
from experiments.signals import StopSignal
from experiments.sweep_table import SweepTable
from lstm_jax.config import Config
from lstm_jax.parallel import runtime
from lstm_jax.run.status import read_state

_SECONDS = 0.2  # between looks at the processes


class JobList:
  """Jobs in their order. One that was stopped from outside goes on; a directory
  where another process trains is waited for."""

  def __init__(self, jobs: list[Job]):
    self._waiting, self.total = list(jobs), len(jobs)

  def is_done(self) -> bool:
    """Whether none is left to start."""
    return not self._waiting

  def take(self, running: list[Job]) -> Job | None:
    """The job to start now; None where there is none yet."""
    free = (j for j in self._waiting if read_state(j.directory) != "running")
    if job := next(free, None):
      self._waiting.remove(job)
    return job

  def watch(self, job: Job) -> str:
    """Why a running job is to be stopped; "" lets it run."""
    return ""

  def put_back(self, job: Job, code: int, stopped: bool) -> bool:
    """Whether a job that has ended is started again.

    stopped: the launcher ends all.
    """
    goes_on = is_saved(code) and not stopped
    self._waiting += [job] * goes_on
    return goes_on


def run_jobs(jobs: JobList, places: list[Place]) -> int | None:
  """Runs jobs, as many at once as there are places.

  Returns:
    The signal that stopped it, else None.
  """
  running: dict[Place, Child] = {}
  with StopSignal() as stop, SweepTable(jobs.total) as table:
    while running or (stop.number is None and not jobs.is_done()):
      for place in places:
        if place in running or stop.number is not None or jobs.is_done():
          continue
        if job := jobs.take([child.job for child in running.values()]):
          running[place] = Child(job, place)
          table.started(job)
      time.sleep(_SECONDS)
      for place, child in list(running.items()):
        child.beat()
        reason, code = jobs.watch(child.job), child.poll()
        stopped = stop.number is not None
        if code is None and (reason or stopped):
          child.stop()
        elif code is not None:
          del running[place]
          if not jobs.put_back(child.job, code, stopped):
            table.ended(child.job, code, reason, stopped)
      table.draw()
    return stop.number


def choose_places(config: Config, workers: int) -> list[Place]:
  """An accelerator each where JAX has any, else cores.

  workers: how many; 0 is one an accelerator, or one a core. Fewer workers than
    cores get several cores each, and more share them.
  """
  chips = [] if config.run.platform == "cpu" else accelerators()
  if chips:
    count = workers or len(chips)
    # Else the first process on a GPU would take most of its memory.
    shared = (("XLA_PYTHON_CLIENT_PREALLOCATE", "false"),)
    shared *= count > len(chips)
    return [
      Place(k, None, chips[k % len(chips)] + shared) for k in range(count)
    ]
  try:
    cores = sorted(os.sched_getaffinity(0))
  except AttributeError:  # macOS cannot pin
    return [Place(k) for k in range(workers or runtime.cores())]
  count = workers or len(cores)
  share = max(len(cores) // count, 1)
  return [
    Place(
      k, frozenset(cores[(k * share + i) % len(cores)] for i in range(share))
    )
    for k in range(count)
  ]


def accelerators() -> list[tuple[tuple[str, str], ...]]:
  """Environments that show a process one accelerator each.

  Found without JAX, which would take their memory.
  """
  devices = pathlib.Path("/dev")
  if importlib.util.find_spec("libtpu"):
    found = sorted(devices.glob("accel[0-9]*")) or sorted(
      devices.glob("vfio/[0-9]*")
    )
    one = ("TPU_CHIPS_PER_PROCESS_BOUNDS", "1,1,1")
    bounds = one, ("TPU_PROCESS_BOUNDS", "1,1,1")
    return [
      (("TPU_VISIBLE_CHIPS", str(number)), *bounds)
      for number in range(len(found))
    ]
  if any(
    importlib.util.find_spec(f"jax_cuda{version}_plugin")
    for version in (12, 13)
  ):
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
      found = range(len(list(devices.glob("nvidia[0-9]*"))))
    else:
      names = [name.strip() for name in visible.split(",")]
      # As CUDA reads it: those from the first one on that is none are not seen.
      found = list(
        itertools.takewhile(lambda n: n not in ("", "-1", "NoDevFiles"), names)
      )
    return [(("CUDA_VISIBLE_DEVICES", str(name)),) for name in found]
  return []
