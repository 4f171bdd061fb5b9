"""SIGTERM, as a scheduler sends it before it kills."""

import pathlib
import signal
import socket
import time

from scripts.faults.base import (
  Fault,
  Finding,
  command,
  digest,
  start,
  wait_for,
  words_of,
)

_SECONDS = 30  # that schedulers give


def check(folder: pathlib.Path, times: int) -> list[Finding]:
  return [one_process(folder, times), two_processes(folder, times)]


def one_process(folder: pathlib.Path, times: int) -> Finding:
  codes, worst = [], 0.0
  for number in range(times):
    run = f"run{number}"
    process = start(
      command(*words_of(folder, run, "--config.train.steps=1000000"))
    )
    wait_for(process, " 50/")
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=2 * _SECONDS)
    worst = max(worst, time.monotonic() - sent)
    codes.append(process.returncode)
  return Finding(
    f"SIGTERM, {times} times",
    f"saved within {_SECONDS} s, exit code 75",
    f"exit codes {sorted(set(codes))}, at most {worst:.1f} s",
    set(codes) == {75} and worst < _SECONDS,
  )


def two_processes(folder: pathlib.Path, times: int) -> Finding:
  """In turn to both, as a scheduler does, to the second, and to the first."""
  codes = {p.returncode for p in _finish(_start_two(folder, "two"))}
  if codes != {0}:
    raise RuntimeError(f"the undisturbed run of two ended with {codes}")
  wanted, stops, ends, together, equal = digest(folder, "two"), [], [], 0, 0
  for number in range(times):
    run = f"two{number}"
    pair = _start_two(folder, run)
    wait_for(pair[0], f" {50 + 20 * number}/")
    for process in (pair, pair[1:], pair[:1])[number % 3]:
      process.send_signal(signal.SIGTERM)
    stops += [process.returncode for process in _finish(pair)]
    together += _saved_by(folder / run) == 2
    ends += [process.returncode for process in _finish(_start_two(folder, run))]
    equal += digest(folder, run) == wanted
  return Finding(
    f"SIGTERM to a run of two processes, {times} times: to both, or to one",
    "both save at the same step, exit code 75; the same command ends with the"
    " parameters of an undisturbed run",
    f"exit codes {sorted(set(stops))}, {together} of {times} checkpoints of the"
    f" step where it stopped have the parts of both; then"
    f" {sorted(set(ends))} and {equal} of {times} with the same parameters",
    set(stops) == {75} and set(ends) == {0} and together == equal == times,
  )


def _start_two(folder, run):
  with socket.socket() as test:
    test.bind(("127.0.0.1", 0))
    port = test.getsockname()[1]
  words = words_of(
    folder,
    run,
    "--config.train.batch_size=4",
    "--config.train.validation_streams=4",
    f"--coordinator=127.0.0.1:{port}",
    "--num_processes=2",
  )
  return [start(command(*words, f"--process_id={n}")) for n in range(2)]


def _finish(pair):
  for process in pair:
    process.communicate(timeout=300)
  return pair


def _saved_by(run: pathlib.Path) -> int:
  """How many processes wrote the checkpoint of the step that it stopped at."""
  log = (run / "train.log").read_text()
  if "stopped and saved at step " not in log:
    return 0
  step = log.split("stopped and saved at step ")[-1].split(";")[0]
  training = run / "checkpoints" / step / "training"
  return len(list(training.glob("ocdbt.process_*")))


FAULTS = {"sigterm": Fault(check, 3)}
