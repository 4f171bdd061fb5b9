"""The commands that scripts.reproduce runs: training, searches and scores."""

import json
import pathlib
import shlex
import signal
import subprocess
import sys
from typing import Any

from experiments.command_line import EXIT_SAVED_ON_SIGINT, EXIT_SAVED_ON_SIGTERM
from experiments.evaluation_modes import found_settings
from lstm_jax.errors import RunError
from scripts import reproduce_records as records

SAVED = (EXIT_SAVED_ON_SIGINT, EXIT_SAVED_ON_SIGTERM)


class Stopped(Exception):
  """A signal stopped a process; it holds the exit code."""


def train_command(*words: str):
  """Raises RunError where it fails."""
  code, _ = run_module("experiments.train", *words)
  if code < 0:
    raise RunError(
      f"training was killed by signal {-code}; the same command goes on there"
    )
  if code:
    raise RunError(f"training failed with exit code {code}")


def search(place: str, path: pathlib.Path, words: str, again: bool):
  """Finds the settings of a mode of evaluation, if they are not there yet or
  are to be found again."""
  mode = shlex.split(words)[0].removeprefix("--mode=")
  if mode in found_settings(path) and not again:
    return
  print(f"{place}: searching the settings of {mode}", flush=True)
  code, _ = run_module(
    "experiments.evaluate",
    f"--workdir={path}",
    "--tune",
    *shlex.split(words),
  )
  if code:
    raise RunError(f"the search failed with exit code {code}")


def score_command(path: pathlib.Path, *words: str) -> list[dict[str, Any]]:
  """The test split's scores of each trial, unless the words ask for others."""
  ruled = records.read_settings(path)["stop"]["name"] != "never"
  code, printed = run_module(
    "experiments.evaluate",
    f"--workdir={path}",
    "--split=test",
    "--trial=all",
    "--json",
    # The weights that met the rule are the result; else validation chooses.
    f"--checkpoint={'latest' if ruled else 'best'}",
    *words,
    capture=True,
  )
  if code:
    raise RunError(f"scoring failed with exit code {code}")
  return [json.loads(line) for line in printed.splitlines()]


def run_module(
  module: str, *words: str, capture: bool = False
) -> tuple[int, str]:
  """Exit code and, if captured, output of a command.

  The process is out of the terminal's reach and gets each signal once, from
  here, so that it can save.

  Raises:
    Stopped: a signal arrived here, or the process says that it has saved.
  """
  received, process = [], None

  def forward(number, frame):
    received.append(number)
    if process:
      process.send_signal(number)

  numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
  before = {
    number: signal.signal(number, forward)
    for number in numbers
    if signal.getsignal(number) != signal.SIG_IGN  # by nohup
  }
  try:
    process = subprocess.Popen(
      [sys.executable, "-m", module, *words],
      stdout=subprocess.PIPE if capture else None,
      text=True,
      process_group=0,
    )
    for number in received:  # before there was a process
      process.send_signal(number)
    printed, _ = process.communicate()
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
  if received:
    first = received[0] == signal.SIGINT
    raise Stopped(EXIT_SAVED_ON_SIGINT if first else EXIT_SAVED_ON_SIGTERM)
  if process.returncode in SAVED:
    raise Stopped(process.returncode)
  return process.returncode, printed or ""
