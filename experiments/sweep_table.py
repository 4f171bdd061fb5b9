"""What a person sees of a sweep while it runs.

On a terminal a table of what runs now, redrawn every second; elsewhere a line
for each job that starts or ends.
"""

import math
import time

from rich.live import Live
from rich.table import Table

from experiments.launchers.child import Job, failure, is_saved
from experiments.plain_text import significant
from experiments.progress import make_console
from experiments.signals import outliving_terminal
from lstm_jax.errors import RunError
from lstm_jax.run.status import Status, read_status


class SweepTable:
  """Use as a context manager around the launcher's loop."""

  def __init__(self, total: int):
    self._total = total
    self._since, self._running = time.monotonic(), {}
    self._done = self._failed = 0
    self._live, self._drawn = None, 0.0
    console = make_console()
    if console.is_terminal and not console.is_dumb_terminal:
      self._live = Live(console=console, auto_refresh=False, transient=True)

  def __enter__(self):
    if self._live:
      self._live.start()
    return self

  def __exit__(self, *error):
    if self._live:
      with outliving_terminal():
        self._live.stop()

  def started(self, job: Job):
    self._running[job] = time.monotonic()
    if not self._live:
      self._print(f"{job.name}: started")

  def ended(self, job: Job, code: int, note: str = "", stopped: bool = False):
    """
    note: says how instead, where the launcher ended it.
    stopped: the launcher ends all.
    """
    seconds = time.monotonic() - self._running.pop(job)
    self._done += 1
    saved = is_saved(code, stopped)
    self._failed += bool(code) and not saved
    how = note or ("stopped and saved" if code > 0 else "stopped")
    if code == 0:
      how = "finished" + _best(_status(job))
    elif not saved:
      how = f"failed: {failure(job)}"
    self._print(
      f"[{self._done}/{self._total}] {job.name}: {how} ({seconds:.0f} s)"
    )

  @outliving_terminal()
  def draw(self):
    """Draws the table again, at most once a second."""
    if not self._live or time.monotonic() - self._drawn < 1:
      return
    self._drawn = time.monotonic()
    title = f"{self._done} of {self._total} done, {self._failed} failed"
    table = Table(title=title, title_justify="left", expand=True)
    for name in ("point", "step", "best on validation", "seconds"):
      table.add_column(name, justify="left" if name == "point" else "right")
    for job, since in self._running.items():
      status = _status(job)
      step = f"{status.step}/{status.steps}" if status else "starting"
      seconds = f"{time.monotonic() - since:.0f}"
      table.add_row(job.name, step, _best(status).lstrip(", "), seconds)
    self._live.update(table, refresh=True)

  @outliving_terminal()
  def _print(self, text):
    if self._live:
      self._live.console.print(text, markup=False, highlight=False)
    else:
      print(text, flush=True)


def _status(job) -> Status | None:
  try:
    return read_status(job.directory)
  except RunError:
    return None


def _best(status) -> str:
  if status is None or math.isnan(status.best):
    return ""
  best = significant(status.best, 5)
  return f", {status.metric} {best} at step {status.best_step}"
