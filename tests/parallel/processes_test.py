"""Several processes train as one does, and end together."""

import os
import signal
import socket
import subprocess
import sys
import time
from unittest import mock

import jax
import numpy as np
import pytest
from helpers import REPOSITORY, Child, make_small_config, sha

from experiments.train import Plan, train
from lstm_jax import load_run
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.config.sweeps import override
from lstm_jax.errors import ConfigError
from lstm_jax.parallel import processes
from lstm_jax.run.build import build
from lstm_jax.run.directory import read_record
from lstm_jax.run.writers import read_metrics


def free_port() -> int:
  with socket.socket() as test:
    test.bind(("127.0.0.1", 0))
    return test.getsockname()[1]


def start_all(count, path, corpus, *words, one_word=None):
  """One process each; `one_word` is given to the last alone."""
  address = f"127.0.0.1:{free_port()}"
  started = []
  for number in range(count):
    more = [one_word] if one_word and number == count - 1 else []
    usual = [
      *("--config=configs/char_lm.py:tiny", f"--workdir={path}"),
      *(f"--config.task.corpus={corpus}", "--config.task.limit=0"),
      *("--config.task.window=8", "--config.model.hidden_sizes=8"),
      *("--config.train.batch_size=8", "--config.train.validate_every=6"),
      *("--config.train.validation_streams=4", "--config.run.log_every=2"),
      *("--config.run.tensorboard=false", f"--coordinator={address}"),
      *(f"--num_processes={count}", f"--process_id={number}"),
    ]
    command = [sys.executable, "-m", "experiments.train"]
    command += override(usual, [*words, *more])
    started.append(
      Child(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
      )
    )
  return started


def wait_all(started) -> tuple[list[int], list[str]]:
  printed = [process.communicate(timeout=500)[0] for process in started]
  return [process.returncode for process in started], printed


def wait_for(path, step):
  """Until metrics.jsonl has a line of a step."""
  for _ in range(5000):
    if any(row["step"] >= step for row in read_metrics(path)):
      return
    time.sleep(0.1)
  raise AssertionError(f"no step {step}")


def same_config(corpus, devices=1):
  """What `start_all` trains."""
  config = make_small_config(corpus)
  config.model.hidden_sizes = (8,)
  config.model.dropout.between = config.model.dropout.output = 0.0
  config.train.batch_size = 8
  config.run.devices = devices
  config.run.tensorboard = False
  return config


def test_two_processes_are_one(tmp_path, corpus):
  words = ("--config.train.steps=6", "--config.run.save_every=3")
  codes, printed = wait_all(start_all(2, tmp_path / "two", corpus, *words))
  assert codes == [0, 0], printed
  assert "2 processes" in printed[0] and "step" not in printed[1]
  config = same_config(corpus)
  config.train.steps = 6
  config.optimizer = load_run(tmp_path / "two").config.optimizer
  config.model = load_run(tmp_path / "two").config.model
  assert train(Plan(config, str(tmp_path / "one"))) == 0
  two, one = (load_run(tmp_path / name, 6).params for name in ("two", "one"))
  for a, b in zip(*map(jax.tree.leaves, (two, one)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
  scores = [
    [(row["step"], row.get("valid/bits_per_char")) for row in rows]
    for rows in map(read_metrics, (tmp_path / "two", tmp_path / "one"))
  ]
  assert [step for step, _ in scores[0]] == [2, 4, 6, 6]  # written once
  np.testing.assert_allclose(scores[0][-1], scores[1][-1], rtol=1e-6)
  start = read_record(tmp_path / "two")["starts"]
  assert [(s["devices"], s["processes"]) for s in start] == [(2, 2)]


@pytest.mark.slow
def test_the_others_end_with_an_error_of_one(tmp_path, corpus):
  started = start_all(
    2, tmp_path / "run", corpus, one_word="--config.train.seed=1"
  )
  codes, printed = wait_all(started)
  assert codes == [2, 2], printed
  for text in printed:
    assert "error: process 1: its config is not that of process 0" in text


@pytest.mark.slow
def test_a_taken_directory_ends_all(tmp_path, corpus):
  words = ("--config.train.steps=100000",)
  first = start_all(1, tmp_path / "run", corpus, *words)
  wait_for(tmp_path / "run", 4)
  codes, printed = wait_all(start_all(2, tmp_path / "run", corpus, *words))
  assert codes == [2, 2], printed
  assert all("another process is training here" in text for text in printed)
  first[0].kill()
  first[0].communicate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_stops_all_at_one_step(tmp_path, corpus, number):
  words = ("--config.train.steps=100000", "--config.run.save_every=0")
  started = start_all(2, tmp_path / "run", corpus, *words)
  wait_for(tmp_path / "run", 10)
  started[1].send_signal(number)
  codes, printed = wait_all(started)
  expected = 130 if number == signal.SIGINT else 75
  assert codes == [75, expected], printed
  step = int(printed[0].split("saved at step ")[1].split(";")[0])
  assert (tmp_path / f"run/checkpoints/{step}/manifest.json").exists()


LONG = (
  "--config.train.steps=60",
  "--config.run.save_every=10",
  "--config.train.validate_every=30",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, corpus) -> str:
  """The parameter digest of four processes that nothing interrupts."""
  path = tmp_path_factory.mktemp("whole")
  codes, printed = wait_all(start_all(4, path, corpus, *LONG))
  assert codes == [0] * 4, printed
  return sha(path)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 2])
def test_kill_9_of_one_and_restart_of_all(tmp_path, corpus, victim, whole):
  started = start_all(4, tmp_path / "run", corpus, *LONG)
  wait_for(tmp_path / "run", 24)
  started[victim].kill()
  codes, printed = wait_all(started)
  assert codes[victim] == -signal.SIGKILL
  # 75 with one line; JAX aborts where it notices before we do.
  others = codes[:victim] + codes[victim + 1 :]
  assert set(others) <= {75, -signal.SIGABRT}, printed
  codes, printed = wait_all(start_all(4, tmp_path / "run", corpus, *LONG))
  assert codes == [0] * 4, printed
  assert "going on from step" in printed[0]
  assert sha(tmp_path / "run") == whole


def test_eight_devices_restore_on_fewer(tmp_path, corpus):
  config = same_config(corpus, devices=8)
  config.train.steps = config.train.validate_every = 2
  config.train.validation_streams = 8
  config.run.log_every, config.run.save_every = 1, 0
  config.run.sample_length = 0
  assert train(Plan(config, str(tmp_path))) == 0
  restored = []
  for devices in (8, 4, 2, 1):
    _, state = build(config, devices=devices)
    with Checkpointer(tmp_path) as checkpointer:
      state, notes = checkpointer.restore_latest(state)
    assert not notes and int(state.step) == 2
    used = {d for leaf in jax.tree.leaves(state.carry) for d in leaf.devices()}
    assert len(used) == devices
    plain = [
      jax.random.key_data(leaf) if leaf is state.key else leaf
      for leaf in jax.tree.leaves(state)
    ]
    restored.append(list(map(np.asarray, plain)))
  for other in restored[1:]:
    for a, b in zip(restored[0], other, strict=True):
      np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
  "coordinator, count, number, message",
  [
    ("", 2, None, "num_processes: give coordinator"),
    ("", None, 0, "process_id: give coordinator"),
    ("here", 2, 0, "must be HOST:PORT or auto, got 'here'"),
    (":1", 2, 0, "must be HOST:PORT"),
    ("localhost:1000", 2, 2, "process_id: must be below num_processes=2"),
    ("auto", None, None, "coordinator=auto: .*; give coordinator, num"),
    ("localhost:70000", 2, 0, "port 70000"),
  ],
)
def test_what_cannot_be_joined(coordinator, count, number, message):
  with pytest.raises(ConfigError, match=message):
    with processes.joined(coordinator, count, number):
      raise AssertionError


def test_a_taken_port_is_refused():
  with socket.socket() as other:
    other.bind(("", 0))
    other.listen()
    port = other.getsockname()[1]
    with pytest.raises(ConfigError, match=f"port {port}: Address already"):
      with processes.joined(f"localhost:{port}", 2, 0):
        raise AssertionError


@pytest.mark.parametrize(
  "text, code, said",
  [
    ("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes", 2, "lower train."),
    ("UNAVAILABLE: connection reset by peer", 75, "start all again"),
  ],
)
def test_how_an_error_of_jax_ends_all(monkeypatch, text, code, said):
  told = []
  monkeypatch.setattr(processes.time, "sleep", lambda seconds: None)
  monkeypatch.setattr(processes, "_failure", lambda: None)
  monkeypatch.setattr(processes, "_client", mock.Mock())
  monkeypatch.setattr(processes, "_leave", told.append)
  processes._end_all(jax.errors.JaxRuntimeError(text))
  (failure,) = told
  assert failure.startswith(f"{code} ") and said in failure


def test_alone_nothing_is_asked():
  assert (processes.process_number(), processes.process_count()) == (0, 1)
  assert processes.is_first()
  with processes.joined(""):
    assert processes.share("name", lambda: "text") == "text"
    processes.check_same("other name", "text")
    processes.wait("third name")
