"""Training as a process: killed, stopped by signals, started twice."""

import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from fake_piano_rolls import fake_rolls, save_rolls
from helpers import CONFIGS, REPOSITORY, Child, sha

from experiments import train
from experiments.command_line import load_config_file
from experiments.signals import StopSignal
from lstm_jax.tasks.piano_rolls import PianoRollsConfig


def start(path, *words, corpus):
  command = [
    *(sys.executable, "-m", "experiments.train"),
    *("--config=configs/char_lm.py:tiny", f"--workdir={path}"),
    f"--config.task.corpus={corpus}",
    "--config.task.limit=0",
    *words,
  ]
  return Child(
    command,
    cwd=REPOSITORY,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    env=os.environ | {"PYTHONUNBUFFERED": "1"},
  )


def wait_for(process, text):
  printed = []
  for line in process.stdout:
    printed.append(line)
    if re.search(text, line):
      return printed
  raise AssertionError("".join(printed))


STEPS = ("--config.train.steps=200", "--config.run.save_every=10")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, corpus) -> str:
  """The parameter digest of a run that nothing interrupts."""
  path = tmp_path_factory.mktemp("whole")
  process = start(path, *STEPS, corpus=corpus)
  printed = process.communicate(timeout=500)[0]
  assert process.returncode == 0, printed
  return sha(path)


def finish(path, corpus) -> str:
  process = start(path, *STEPS, corpus=corpus)
  printed = process.communicate(timeout=500)[0]
  assert process.returncode == 0, printed
  return printed


def test_kill_9_and_start_again_ends_the_same(tmp_path, corpus, whole):
  for after, delay in (("step +25/", 0.0), ("step +120/", 0.03)):
    process = start(tmp_path / "run", *STEPS, corpus=corpus)
    wait_for(process, after)
    time.sleep(delay)
    process.kill()
    assert process.wait(500) == -signal.SIGKILL
    process.stdout.close()
  assert "going on from step" in finish(tmp_path / "run", corpus)
  assert sha(tmp_path / "run") == whole


KILLED_AT_REPLACE = """
import os, sys
from experiments import train
replace, left = os.replace, [int(sys.argv.pop(1))]
def counting(*arguments):
  left[0] -= 1
  if not left[0]:
    os._exit(9)
  return replace(*arguments)
os.replace = counting
sys.exit(train.main(sys.argv))
"""


# The files that are put in place, in order: config, vocabulary, record,
# metrics, then a manifest for each checkpoint.
@pytest.mark.slow
@pytest.mark.parametrize("count", range(1, 9))
def test_killed_before_any_file_is_in_place(tmp_path, corpus, whole, count):
  arguments = [
    *("--config=configs/char_lm.py:tiny", f"--config.task.corpus={corpus}"),
    *("--config.task.limit=0", f"--workdir={tmp_path}/run", *STEPS),
  ]
  killed = subprocess.run(
    [sys.executable, "-c", KILLED_AT_REPLACE, str(count), *arguments],
    cwd=REPOSITORY,
  )
  assert killed.returncode == 9
  finish(tmp_path / "run", corpus)
  assert sha(tmp_path / "run") == whole
  assert not list((tmp_path / "run").rglob("*.tmp"))


@pytest.mark.parametrize(
  "number, code", [(signal.SIGTERM, 75), (signal.SIGINT, 130)]
)
def test_signals_save_and_say_how_to_go_on(tmp_path, corpus, number, code):
  words = ("--config.train.steps=100000", "--config.run.save_every=0")
  process = start(tmp_path / "run", *words, corpus=corpus)
  wait_for(process, "step +10/")
  process.send_signal(number)
  printed = process.communicate(timeout=500)[0]
  assert process.returncode == code, printed
  line = next(t for t in printed.splitlines() if "stopped and saved" in t)
  step = int(line.split("at step ")[1].split(";")[0])
  assert "the same command goes on there" in line
  assert (tmp_path / f"run/checkpoints/{step}/manifest.json").exists()


# Runs a command whose terminal is its stdin; the first word says whether its
# end is ignored.
ON_TERMINAL = """
import fcntl, os, signal, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv[1] == "ignored":
  signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.mark.parametrize(
  "sighup, steps, code, said",
  [
    ("caught", 100_000, 75, "stopped and saved"),
    pytest.param(
      *("ignored", 200, 0, "step 200: validation"), marks=pytest.mark.slow
    ),
  ],
)
def test_a_closed_terminal(tmp_path, corpus, sighup, steps, code, said):
  ours, its = pty.openpty()
  process = Child(
    [
      *(sys.executable, "-c", ON_TERMINAL, sighup, "-m", "experiments.train"),
      *("--config=configs/char_lm.py:tiny", f"--workdir={tmp_path}/run"),
      *(f"--config.task.corpus={corpus}", "--config.task.limit=0"),
      *(f"--config.train.steps={steps}", "--config.run.save_every=0"),
    ],
    cwd=REPOSITORY,
    stdin=its,
    stdout=its,
    stderr=its,
    env=os.environ | {"TERM": "xterm"},
  )
  os.close(its)
  printed = b""
  while b"  epoch " not in printed:
    printed += os.read(ours, 1000)
  os.close(ours)
  log = tmp_path / "run/train.log"
  assert process.wait(500) == code, log.read_text()
  assert said in log.read_text()
  assert list((tmp_path / "run/checkpoints").glob("*/manifest.json"))


def test_what_is_ignored_stays_ignored():
  """As SIGHUP is under nohup."""
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  try:
    with StopSignal() as stop:
      signal.raise_signal(signal.SIGHUP)
      assert stop.number is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
  finally:
    signal.signal(signal.SIGHUP, before)


def test_the_second_process_is_refused(tmp_path, corpus):
  words = ("--config.train.steps=100000",)
  first = start(tmp_path / "run", *words, corpus=corpus)
  wait_for(first, "step +5/")
  second = start(tmp_path / "run", *words, corpus=corpus)
  printed = second.communicate(timeout=500)[0]
  assert second.returncode == 2
  assert printed.startswith("error: ") and "another process" in printed
  assert len(printed.splitlines()) == 1
  first.kill()
  first.communicate()


def test_errors_are_one_line_and_exit_2(tmp_path):
  done = subprocess.run(
    [
      *(sys.executable, "-m", "experiments.train"),
      *("--config=configs/char_lm.py:tiny", f"--workdir={tmp_path}/run"),
      "--config.optimizer.lerning_rate=1",
    ],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 2 and done.stdout == ""
  assert done.stderr == (
    'error: unknown config field "optimizer.lerning_rate"; did you mean'
    ' "optimizer.learning_rate"?\n'
  )


def test_a_closed_stderr_changes_no_exit_code(tmp_path):
  command = f'"{sys.executable}" -m experiments.runs "{tmp_path}" 2>&-'
  assert subprocess.run(command, shell=True, cwd=REPOSITORY).returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("file", CONFIGS, ids=lambda p: p.stem)
def test_tiny_runs_from_start_to_end(file, tmp_path):
  config = load_config_file(f"{file}:tiny")
  if isinstance(config.task, PianoRollsConfig):  # whose files users fetch
    rolls = {split: 8 * own for split, own in fake_rolls().items()}
    config.task.source = save_rolls(tmp_path / "rolls.mat", rolls)
  assert train.train(train.Plan(config, str(tmp_path / "run"))) == 0
  assert (tmp_path / "run/learning_curve.png").exists()
