"""What the faults share: a small training run, as a process, and findings."""

import functools
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from lstm_jax.config.sweeps import override

REPOSITORY = pathlib.Path(__file__).parents[2]
STEPS = 200
SAVE_EVERY = 5


class Finding(NamedTuple):
  fault: str  # what was done
  wanted: str  # what should come of it
  found: str  # what came of it
  sound: bool


class Fault(NamedTuple):
  """A way to break things.

  check: (an empty folder, how many times) -> findings.
  """

  check: Callable[[pathlib.Path, int], list[Finding]]
  times: int  # as often as the report wants it


def write_corpus(folder: pathlib.Path) -> pathlib.Path:
  """Some text with structure, made here."""
  path, state, words = folder / "corpus.txt", 1, []
  for _ in range(1500):
    state = state * 1103515245 % 2**31
    words.append(("red", "green", "blue", "one", "two")[state // 7 % 5])
  path.write_text(" ".join(words))
  return path


def words_of(folder: pathlib.Path, run: str, *more: str) -> list[str]:
  """Arguments of a small run: 200 updates and 40 asynchronous saves."""
  corpus = folder / "corpus.txt"
  if not corpus.exists():
    write_corpus(folder)
  words = [
    "--config=configs/char_lm.py:tiny",
    f"--workdir={folder / run}",
    f"--config.task.corpus={corpus}",
    "--config.task.limit=0",
    "--config.task.window=8",
    "--config.model.hidden_sizes=8",
    f"--config.train.steps={STEPS}",
    "--config.train.validate_every=50",
    f"--config.run.save_every={SAVE_EVERY}",
    "--config.run.sample_length=0",
    "--config.run.tensorboard=false",
  ]
  return override(words, more)


def command(*words: str, module: str = "experiments.train") -> list[str]:
  return [sys.executable, "-m", module, *words]


def start(
  arguments: list[str], output=subprocess.PIPE, **environment: str
) -> subprocess.Popen:
  return subprocess.Popen(
    arguments,
    cwd=REPOSITORY,
    stdout=output,
    stderr=subprocess.STDOUT,
    text=True,
    errors="replace",
    env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
  )


def finish(arguments: list[str], **environment: str) -> tuple[int, str]:
  """Exit code and everything printed."""
  process = start(arguments, **environment)
  printed = process.communicate(timeout=300)[0]
  return process.returncode, printed


def train(folder, run, *more, **environment) -> tuple[int, str]:
  return finish(command(*words_of(folder, run, *more)), **environment)


def digest(folder: pathlib.Path, run: str) -> str:
  """The parameter digest that a finished run printed last; "" if none."""
  try:
    lines = (folder / run / "train.log").read_text().splitlines()
  except FileNotFoundError:
    return ""
  found = [line.split()[-1] for line in lines if "parameters sha256" in line]
  return found[-1] if found else ""


def uninterrupted(folder: pathlib.Path) -> str:
  """The digest of the run when nothing happens to it."""
  code, printed = train(folder, "whole")
  if code:
    raise RuntimeError(f"the undisturbed run failed:\n{printed}")
  return digest(folder, "whole")


def error_line(printed: str) -> str:
  """The one line of an error; what is wrong with it if it is not one."""
  lines = [line for line in printed.splitlines() if line.strip()]
  errors = [line for line in lines if line.startswith("error: ")]
  if "Traceback" in printed:
    return f"a traceback: {lines[-1][:100]}"
  return errors[0] if len(errors) == 1 else f"{len(errors)} lines of error"


def wait_for(process: subprocess.Popen, text: str) -> list[str]:
  """Reads what a process prints until a line has this text."""
  printed = []
  for line in process.stdout:
    printed.append(line)
    if text in line:
      return printed
  raise RuntimeError("ended without it:\n" + "".join(printed))


@functools.cache
def start_time() -> float:
  """Seconds from the start of a process to its first update, measured once."""
  import tempfile

  with tempfile.TemporaryDirectory() as name:
    folder, started = pathlib.Path(name), time.monotonic()
    process = start(command(*words_of(folder, "run")))
    wait_for(process, "step ")
    seconds = time.monotonic() - started
    process.kill()
    process.communicate()
  return seconds
