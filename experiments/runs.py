"""Lists the runs below folders: status, step, best validation score, and how
long ago they last wrote a metric.

python -m experiments.runs runs
"""

import math
import pathlib

from experiments.command_line import new_flags, parse_words, run_command
from experiments.progress import digits
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run_status import read_status

_HEAD = ("run", "status", "step", "best on validation", "age")


def list_runs(folder: pathlib.Path) -> list[tuple[str, ...]]:
  """A row of texts a run, by name.

  Raises:
    RunError: there is none.
  """
  paths = sorted(path.parent for path in folder.rglob("config.json"))
  if not paths:
    raise RunError(f"{folder}: no run here")
  return [_row(path, folder) for path in paths]


def _row(path, folder) -> tuple[str, ...]:
  name = path.name if path == folder else str(path.relative_to(folder))
  try:
    status = read_status(path)
  except RunError:
    return name, "unreadable", "-", "-", "-"
  best = "-"
  if not math.isnan(status.best):
    best = f"{status.metric} {digits(status.best, 4)} at {status.best_step}"
  step = f"{status.step}/{status.steps}"
  return name, status.state, step, best, duration(status.age)


def duration(seconds: float) -> str:
  """In the largest unit of which there are two at least."""
  for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
    if seconds >= 2 * size:
      return f"{seconds // size:.0f} {unit}"
  return f"{seconds:.0f} s"


def main(argv: list[str]):
  words = parse_words(new_flags(), argv, __doc__)
  if not words:
    raise ConfigError("give a folder of runs, as runs")
  rows = [_HEAD]
  for word in words:
    rows += list_runs(pathlib.Path(word).expanduser())
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  for row in rows:
    cells = (text.ljust(n) for text, n in zip(row, widths, strict=True))
    print("  ".join(cells).rstrip())


if __name__ == "__main__":
  run_command(main)
