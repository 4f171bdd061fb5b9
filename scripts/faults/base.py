"""What the faults share: a small training run, as a process, and findings.

A fault is a function (an empty folder, how many times) that yields findings.
"""

import os
import pathlib
import subprocess
import sys
from typing import NamedTuple

from lstm_jax.config.sweeps import override

REPOSITORY = pathlib.Path(__file__).parents[2]
SAVE_EVERY = 5


class Finding(NamedTuple):
  fault: str  # what was done
  wanted: str  # what should come of it
  found: str  # what came of it
  sound: bool


def write_small_corpus(folder: pathlib.Path) -> pathlib.Path:
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
    write_small_corpus(folder)
  words = [
    "--config=configs/char_lm.py:tiny",
    f"--workdir={folder / run}",
    f"--config.task.corpus={corpus}",
    "--config.task.limit=0",
    "--config.task.window=8",
    "--config.model.hidden_sizes=8",
    "--config.train.steps=200",
    "--config.train.validate_every=50",
    f"--config.run.save_every={SAVE_EVERY}",
    "--config.run.sample_length=0",
    "--config.run.tensorboard=false",
  ]
  return override(words, more)


def command(*words: str) -> list[str]:
  return [sys.executable, "-m", "experiments.train", *words]


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


def launch(folder, run, *more, **environment) -> subprocess.Popen:
  """A small run under way."""
  return start(command(*words_of(folder, run, *more)), **environment)


def finish(arguments: list[str], **environment: str) -> tuple[int, str]:
  """Exit code and everything printed."""
  process = start(arguments, **environment)
  printed = process.communicate(timeout=300)[0]
  return process.returncode, printed


def train_process(folder, run, *more, **environment) -> tuple[int, str]:
  return finish(command(*words_of(folder, run, *more)), **environment)


def run_digest(folder: pathlib.Path, run: str) -> str:
  """The parameter digest that a finished run printed last; "" if none."""
  try:
    lines = (folder / run / "train.log").read_text().splitlines()
  except FileNotFoundError:
    return ""
  found = [line.split()[-1] for line in lines if "parameters sha256" in line]
  return found[-1] if found else ""


def uninterrupted(folder: pathlib.Path) -> str:
  """The digest of the run when nothing happens to it."""
  code, printed = train_process(folder, "whole")
  if code:
    raise RuntimeError(f"the undisturbed run failed:\n{printed}")
  return run_digest(folder, "whole")


def which_parameters(same: bool) -> str:
  return f"{'the same' if same else 'other'} parameters"


def wait_for(process: subprocess.Popen, text: str):
  """Reads what a process prints until a line has this text."""
  printed = []
  for line in process.stdout:
    printed.append(line)
    if text in line:
      return
  raise RuntimeError("ended without it:\n" + "".join(printed))


def end(process: subprocess.Popen, signal: int):
  """Sends the signal, and waits."""
  process.send_signal(signal)
  process.communicate(timeout=300)


def error_line(printed: str, folder: pathlib.Path, name: str = "DIR") -> str:
  """The one line of an error, with a name for the folder; what is wrong with it
  if it is not one."""
  lines = [line for line in printed.splitlines() if line.strip()]
  errors = [line for line in lines if line.startswith("error: ")]
  if "Traceback" in printed:
    return f"a traceback: {lines[-1][:100]}"
  if len(errors) != 1:
    return f"{len(errors)} lines of error"
  return errors[0].replace(str(folder), name)
