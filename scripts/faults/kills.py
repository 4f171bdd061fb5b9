"""kill -9 at any moment and at each that matters; SIGTERM before it."""

import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

from scripts.faults.base import (
  Finding,
  end,
  finish,
  launch,
  run_digest,
  train_process,
  uninterrupted,
  wait_for,
  words_of,
)

_SECONDS = 30  # that schedulers give between SIGTERM and kill -9
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
# What is under way, the audit event of Python that tells, part of its path, and
# whether the run was stopped before.
_MOMENTS = (
  ("while files are put in place", "os.rename", "/run", False),
  ("during clean-up", "shutil.rmtree", "/checkpoints", False),
  ("during clean-up, file by file", "os.remove", "", False),
  ("while a checkpoint is read back", "open", "/checkpoints/", True),
)


def _start_time(folder) -> float:
  """Seconds from the start of a process to its first update."""
  started = time.monotonic()
  process = launch(folder, "first")
  wait_for(process, "step ")
  seconds = time.monotonic() - started
  end(process, signal.SIGKILL)
  return seconds


def random_moments(folder: pathlib.Path, times: int):
  wanted, rng = uninterrupted(folder), random.Random(0)
  first = _start_time(folder)
  kills, runs, equal, inside = 0, 0, 0, 0
  while kills < times:
    name = f"run{runs}"
    while kills < times:
      process = launch(folder, name)
      try:  # from before the first save until after the last one
        process.communicate(timeout=first * rng.uniform(0.7, 1.6))
        break  # it finished before
      except subprocess.TimeoutExpired:
        end(process, signal.SIGKILL)
        kills += 1
        inside += (folder / name / "checkpoints").is_dir()
    code, _ = train_process(folder, name)
    runs += 1
    equal += code == 0 and run_digest(folder, name) == wanted
    print(f"  {kills} kills, {equal} of {runs} runs as undisturbed", flush=True)
  yield Finding(
    f"kill -9 at {kills} random moments, a save every 5 updates",
    "every start goes on; parameters as in an undisturbed run, bit for bit",
    f"{kills} starts killed ({inside} after the first save began) in {runs}"
    f" runs; {equal} of {runs} ended with the same parameters",
    equal == runs,
  )


def each_moment(folder: pathlib.Path, times: int):
  """The first `times` events of each kind; the first save is among them."""
  wanted = uninterrupted(folder)
  for number, (moment, event, part, stopped) in enumerate(_MOMENTS):
    killed = equal = 0
    for count in range(1, times + 1):
      place = folder / f"{number}-{count}"
      place.mkdir()
      if stopped:
        process = launch(place, "run")
        wait_for(process, " 50/")
        end(process, signal.SIGTERM)
      words = [sys.executable, "-c", _KILL_AT, event, part, str(count)]
      code, _ = finish([*words, *words_of(place, "run")])
      if code != -signal.SIGKILL:
        break  # there are no more events of this kind
      killed += 1
      code, _ = train_process(place, "run")
      left = list((place / "run").rglob("*.tmp"))
      equal += code == 0 and run_digest(place, "run") == wanted and not left
    print(f"  {moment}: {equal} of {killed}", flush=True)
    yield Finding(
      f"kill -9 {moment}, at the first {killed} events ({event})",
      "a clean start or the last good step, then the same parameters",
      f"{equal} of {killed} ended with the same parameters, nothing"
      " half-written left",
      equal == killed > 0,
    )


def sigterm(folder: pathlib.Path, times: int):
  codes, worst = set(), 0.0
  for number in range(times):
    process = launch(folder, f"run{number}", "--config.train.steps=1000000")
    wait_for(process, " 50/")
    sent = time.monotonic()
    end(process, signal.SIGTERM)
    worst = max(worst, time.monotonic() - sent)
    codes.add(process.returncode)
  yield Finding(
    f"SIGTERM, {times} times",
    f"saved within {_SECONDS} s, exit code 75",
    f"exit codes {sorted(codes)}, at most {worst:.1f} s",
    codes == {75} and worst < _SECONDS,
  )
  yield _sigterm_to_two(folder, times)


def _sigterm_to_two(folder, times) -> Finding:
  """In turn to both, as a scheduler does, to the second, and to the first."""
  codes = _finish(_start_two(folder, "two"))
  if codes != {0}:
    raise RuntimeError(f"the undisturbed run of two ended with {codes}")
  wanted, together, equal = run_digest(folder, "two"), 0, 0
  stops, ends = set(), set()
  for number in range(times):
    run = f"two{number}"
    pair = _start_two(folder, run)
    wait_for(pair[0], f" {50 + 20 * number}/")
    for process in (pair, pair[1:], pair[:1])[number % 3]:
      process.send_signal(signal.SIGTERM)
    stops |= _finish(pair)
    together += _saved_by(folder / run) == 2
    ends |= _finish(_start_two(folder, run))
    equal += run_digest(folder, run) == wanted
  return Finding(
    f"SIGTERM to a run of two processes, {times} times: to both, or to one",
    "both save at the same step, exit code 75; the same command ends with the"
    " parameters of an undisturbed run",
    f"exit codes {sorted(stops)}, {together} of {times} checkpoints of the"
    f" step where it stopped have the parts of both; then"
    f" {sorted(ends)} and {equal} of {times} with the same parameters",
    stops == {75} and ends == {0} and together == equal == times,
  )


def _start_two(folder, run) -> list[subprocess.Popen]:
  with socket.socket() as test:
    test.bind(("127.0.0.1", 0))
    port = test.getsockname()[1]
  words = [
    "--config.train.batch_size=4",
    "--config.train.validation_streams=4",
    f"--coordinator=127.0.0.1:{port}",
    "--num_processes=2",
  ]
  return [launch(folder, run, *words, f"--process_id={n}") for n in (0, 1)]


def _finish(pair) -> set[int]:
  for process in pair:
    process.communicate(timeout=300)
  return {process.returncode for process in pair}


def _saved_by(run: pathlib.Path) -> int:
  """How many processes wrote the checkpoint of the step that it stopped at."""
  log = (run / "train.log").read_text()
  if "stopped and saved at step " not in log:
    return 0
  step = log.split("stopped and saved at step ")[-1].split(";")[0]
  training = run / "checkpoints" / step / "training"
  return len(list(training.glob("ocdbt.process_*")))
