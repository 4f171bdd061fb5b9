"""What a person sees of a run: a live line on a terminal, plain lines in a log.

On a terminal the line moves with every update; elsewhere a plain line is
printed at every log interval. The run directory's train.log always has the
plain ones.
"""

import contextlib
import math
import pathlib
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from experiments.signals import outliving_terminal
from lstm_jax.errors import RunError

_SILENCE = 60  # seconds after which a log without a live line says something
_LEAST_BAR = 6  # columns of the terminal, with the space before it
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
    self._steps = steps
    self._per_epoch, self._unit, self._token = steps_per_epoch, unit, token
    self._started = self._first = None  # when, and at which step
    self._live = None
    console = make_console()
    if console.is_terminal and not console.is_dumb_terminal:
      self._live = Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None),
        console=console,
        auto_refresh=False,
        expand=True,
        transient=True,
      )
      self._task = self._live.add_task("compiling ...", total=steps)

  def __enter__(self):
    if self._live:
      self._live.start()
      self._live.refresh()
    self._drawn, self._printed = 0.0, time.monotonic()
    return self

  def __exit__(self, *error):
    if self._live:
      with outliving_terminal():
        self._live.stop()
    with contextlib.suppress(OSError):  # every line was flushed before
      self._file.close()

  @outliving_terminal()
  def note(self, text: str):
    """Prints a line that stays."""
    self._to_log(text)
    if self._live:
      self._live.console.print(
        text, markup=False, highlight=False, emoji=False, soft_wrap=True
      )
    else:
      self._print(text)

  @outliving_terminal()
  def update(
    self, step: int, loss: float, speed: float, *, log: bool, extra: str = ""
  ):
    """Shows a step: loss in the unit, speed in tokens a second.

    log: this step is one of the log intervals'.
    """
    left = self._left(step)
    if not log and (not self._live or time.monotonic() - self._drawn < 0.1):
      return
    lines = self._lines(step, loss, speed, left, extra)
    if log:
      self._to_log(lines[0])
      if not self._live:
        self._print(lines[0])
    if self._live:
      width = self._live.console.width - _LEAST_BAR
      text = next((t for t in lines if len(t) <= width), lines[-1])
      self._live.update(self._task, completed=step, description=text)
      self._live.refresh()
      self._drawn = time.monotonic()

  def _print(self, text):
    print(text, flush=True)
    self._printed = time.monotonic()

  def _lines(self, step, loss, speed, left, extra) -> list[str]:
    """The line and, for narrow terminals, shorter ones: without units, then
    without the speed and the epoch, then with the time left alone. What is not
    known yet is left out."""
    where = f"step {step:>{len(str(self._steps))}}/{self._steps}"
    epoch = f"  epoch {step / self._per_epoch:.2f}" if self._per_epoch else ""
    score, unit = f"  {digits(loss)}", f" {self._unit}"
    speed = "" if math.isnan(speed) else f"  {speed:,.0f}"
    whole, short = (speed and speed + s for s in (f" {self._token}s/s", "/s"))
    end = "" if math.isnan(left) else f"  {_duration(left)} left"
    return [
      where + epoch + score + unit + whole + end + extra,
      where + epoch + score + unit + short + end + extra,
      where + epoch + score + short + end + extra,
      where + epoch + score + end,
      where + score + end,
      where + end,
    ]

  @outliving_terminal()
  def activity(self, text: str):
    """Shows what takes the time between two updates: on the live line, or as a
    plain line after a minute of silence."""
    now = time.monotonic()
    if self._live and now - self._drawn >= 0.1:
      self._live.update(self._task, description=text)
      self._live.refresh()
      self._drawn = now
    elif not self._live and now - self._printed >= _SILENCE:
      self._print(text)

  def _left(self, step: int) -> float:
    """Seconds left at the mean speed since the first step, which compiles."""
    now = time.monotonic()
    if self._started is None:
      self._started, self._first = now, step
    done = step - self._first
    if not done:
      return math.nan
    return (now - self._started) / done * (self._steps - step)

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


def digits(value: float, places: int = 3) -> str:
  """A score with so many decimals, or those that say something: 0.00042, 564.1,
  13,599."""
  size = abs(value)
  if size >= 1000:
    return f"{value:,.0f}"
  if size >= 10:
    return f"{value:#.4g}"
  return f"{value:.{places}f}" if size >= 0.1 else f"{value:.3g}"


def _duration(seconds: float) -> str:
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return (
    f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
  )
