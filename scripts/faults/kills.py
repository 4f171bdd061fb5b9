"""kill -9: at any moment, and at each moment that matters."""

import pathlib
import random
import signal
import subprocess
import sys

from scripts.faults.base import (
  Fault,
  Finding,
  command,
  digest,
  finish,
  start,
  start_time,
  train,
  uninterrupted,
  words_of,
)

# Kills itself at the count-th event of a kind whose path has a given part.
_KILL_AT = """
import os, signal, sys
event, part, count = sys.argv[1], sys.argv[2], [int(sys.argv[3])]
def hook(name, arguments):
  if name == event and arguments and part in str(arguments[0]):
    count[0] -= 1
    if not count[0]:
      os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from experiments import train
from experiments.command_line import run_command
sys.argv = ["train", *sys.argv[4:]]
run_command(train.main)
"""


def random_moments(folder: pathlib.Path, times: int) -> list[Finding]:
  wanted, rng = uninterrupted(folder), random.Random(0)
  first = start_time()
  kills, runs, equal, inside = 0, 0, 0, 0
  while kills < times:
    name = f"run{runs}"
    while kills < times:
      # From before the first save until after the last one.
      delay = first * rng.uniform(0.7, 1.6)
      process = start(command(*words_of(folder, name)))
      try:
        process.communicate(timeout=delay)
        break  # it finished before
      except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        kills += 1
        inside += (folder / name / "checkpoints").is_dir()
    code, printed = train(folder, name)
    runs += 1
    equal += code == 0 and digest(folder, name) == wanted
    print(f"  {kills} kills, {equal} of {runs} runs as undisturbed", flush=True)
  return [
    Finding(
      f"kill -9 at {kills} random moments, a save every 5 updates",
      "every start goes on; parameters as in an undisturbed run, bit for bit",
      f"{kills} starts killed ({inside} after the first save began) in {runs}"
      f" runs; {equal} of {runs} ended with the same parameters",
      equal == runs,
    )
  ]


# What is under way, the audit event of Python that tells, part of its path.
_MOMENTS = (
  ("while files are put in place", "os.rename", "/run", False),
  ("during clean-up", "shutil.rmtree", "/checkpoints", False),
  ("during clean-up, file by file", "os.remove", "", False),
  ("while a checkpoint is read back", "open", "/checkpoints/", True),
)


def each_moment(folder: pathlib.Path, times: int) -> list[Finding]:
  """The first `times` events of each kind; the first save is among them."""
  wanted, findings = uninterrupted(folder), []
  for number, (moment, event, part, stopped) in enumerate(_MOMENTS):
    killed = equal = 0
    for count in range(1, times + 1):
      place = folder / f"{number}-{count}"
      place.mkdir()
      if stopped:
        process = start(command(*words_of(place, "run")))
        for line in process.stdout:
          if "step " in line and " 50/" in line:
            break
        process.send_signal(signal.SIGTERM)
        process.communicate()
      words = [sys.executable, "-c", _KILL_AT, event, part, str(count)]
      code, _ = finish([*words, *words_of(place, "run")])
      if code != -signal.SIGKILL:
        break  # there are no more events of this kind
      killed += 1
      code, printed = train(place, "run")
      left = list((place / "run").rglob("*.tmp"))
      equal += (
        code == 0 and digest(place, "run") == digest(folder, "whole") == wanted
      ) and not left
    print(f"  {moment}: {equal} of {killed}", flush=True)
    findings.append(
      Finding(
        f"kill -9 {moment}, at the first {killed} events ({event})",
        "a clean start or the last good step, then the same parameters",
        f"{equal} of {killed} ended with the same parameters, nothing"
        " half-written left",
        equal == killed > 0,
      )
    )
  return findings


FAULTS = {
  "kills": Fault(random_moments, 100),
  "moments": Fault(each_moment, 8),
}
