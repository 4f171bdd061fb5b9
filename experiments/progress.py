"""What a person sees of a run: a live line on a terminal, plain lines in a log.

On a terminal the line moves with every update; elsewhere a plain line is
printed at every log interval. The run directory's train.log always has the
plain ones.
"""

import contextlib
import math
import pathlib
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from experiments.plain_text import duration, significant
from experiments.signals import outliving_terminal
from lstm_jax.errors import RunError

_SILENCE = 60  # seconds after which a log without a live line says something
_DRAWN_EVERY = 0.1  # seconds
_LEAST = 15  # columns of the terminal for the bar and the time left
_USUAL_WIDTH = 80


class ProgressReport:
  """Use as a context manager around the training loop.

  unit: what the loss is shown in, as "bits/char".
  token: what the speed counts, as "character".
  """

  def __init__(
    self,
    log: pathlib.Path,
    *,
    steps: int,
    steps_per_epoch: int,
    unit: str,
    token: str,
  ):
    # Paths may hold bytes that are no text.
    self._file = log.open("a", encoding="utf-8", errors="backslashreplace")
    self._steps, self._per_epoch = steps, steps_per_epoch
    self._unit, self._token = unit, token
    console = make_console()
    self._is_live = console.is_terminal and not console.is_dumb_terminal
    self._progress = Progress(
      TextColumn("{task.description}", table_column=Column(no_wrap=True)),
      BarColumn(bar_width=None),
      TimeRemainingColumn(),
      console=console,
      auto_refresh=False,
      expand=True,
      transient=True,
      disable=not self._is_live,
      speed_estimate_period=math.inf,
      get_time=time.monotonic,
    )
    self._task = self._progress.add_task("compiling ...", total=steps)
    self._drawn, self._printed = -math.inf, time.monotonic()

  def __enter__(self):
    self._progress.start()
    self._progress.refresh()
    return self

  def __exit__(self, *error):
    with outliving_terminal():
      self._progress.stop()
    with contextlib.suppress(OSError):  # every line was flushed before
      self._file.close()

  @outliving_terminal()
  def note(self, text: str):
    """Prints a line that stays."""
    self._to_log(text)
    if self._is_live:
      self._progress.console.print(
        text, markup=False, highlight=False, emoji=False, soft_wrap=True
      )
    else:
      self._print(text)

  @outliving_terminal()
  def update(
    self, step: int, loss: float, speed: float, *, log: bool, extra: str = ""
  ):
    """Shows a step: loss in the unit, speed in tokens a second. What is not
    known yet is left out.

    log: this step is one of the log intervals'.
    """
    if not log and time.monotonic() - self._drawn < _DRAWN_EVERY:
      return
    self._progress.update(self._task, completed=step)
    where = f"step {step:>{len(str(self._steps))}}/{self._steps}"
    epoch = f"  epoch {step / self._per_epoch:.2f}" if self._per_epoch else ""
    score = f"  {significant(loss, zeros=True)}"
    number = "" if math.isnan(speed) else f"  {speed:,.0f}"
    whole = f"{where}{epoch}{score} {self._unit}"
    whole += number and f"{number} {self._token}s/s"
    if log:
      left = self._progress.tasks[0].time_remaining
      end = "" if left is None else f"  {duration(left)} left"
      self._to_log(whole + end + extra)
      if not self._is_live:
        self._print(whole + end + extra)
    # On a narrow terminal the units go first, then the speed and the epoch.
    short = where + epoch + score + (number and f"{number}/s")
    room = self._progress.console.width - _LEAST
    texts = (whole + extra, short + extra, where + score, where)
    self._draw(next((text for text in texts if len(text) <= room), ""))

  def _draw(self, text):
    self._progress.update(self._task, description=text, refresh=True)
    self._drawn = time.monotonic()

  def _print(self, text):
    print(text, flush=True)
    self._printed = time.monotonic()

  @outliving_terminal()
  def activity(self, text: str):
    """Shows what takes the time between two updates: on the live line, or as a
    plain line after a minute of silence."""
    now = time.monotonic()
    if self._is_live and now - self._drawn >= _DRAWN_EVERY:
      self._draw(text)
    elif not self._is_live and now - self._printed >= _SILENCE:
      self._print(text)

  def _to_log(self, text):
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    try:
      self._file.write(f"{stamp}  {text}\n")
      self._file.flush()
    except OSError as error:
      raise RunError(
        f"{self._file.name}: cannot be written: {error.strerror}"
      ) from error


def make_console() -> Console:
  """A terminal; one that says it has 0 columns does not know."""
  console = Console()
  if console.width < 1:
    console.width = _USUAL_WIDTH
  return console


def status_line(text: str):
  """Shows a line of a terminal in place of the last; "" takes it away. It is on
  standard error, and nowhere else than on a terminal."""
  if sys.stderr.isatty():
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def percent_line(what: str, done: int, every: int):
  """Shows how much is done, and nothing when all is."""
  percent = 100 * done // max(every, 1)
  status_line(f"{what}: {percent} %" if done < every else "")
