"""--profile_steps: a trace of these updates, in the run directory."""

import gzip
import json
import types
from collections.abc import Callable
from typing import NamedTuple
from unittest.mock import ANY

import jax.numpy as jnp
import pytest
from helpers import run_process

from experiments.profiling import parse_steps, profiled
from lstm_jax.errors import ConfigError


def test_steps():
  assert parse_steps("", 5) is None
  assert parse_steps("0:5", 5) == range(5)


@pytest.mark.parametrize("text", ["10", "b:a", "1:", "-1:5", "1:2:3"])
def test_what_is_no_range(text):
  with pytest.raises(ConfigError, match=f"--profile_steps={text}: must be FIR"):
    parse_steps(text, 100)


@pytest.mark.parametrize("text", ["5:5", "7:5", "3:101", "200:210"])
def test_ranges_outside_the_run(text):
  with pytest.raises(ConfigError, match="end by step 100, the run's last"):
    parse_steps(text, 100)


def traced_steps(run) -> list[set[str]]:
  """The updates that are in each trace, in the order of the traces."""
  found = []
  for file in sorted((run / "profile").rglob("*.trace.json.gz")):
    events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
    found.append(
      {e["args"]["step_num"] for e in events if e.get("name") == "update"}
    )
  return found


class Updates(NamedTuple):
  """What `profiled` needs of an experiment."""

  train_call: Callable
  steps_per_call: int = 2


def add(state, data):
  return state + data, state


def train_to(last, tmp_path, steps, step=0) -> tuple[int, list[str]]:
  """A state that counts steps, and the notes."""
  notes = []
  report = types.SimpleNamespace(note=notes.append)
  state = jnp.asarray(step)
  with profiled(Updates(add), steps, step, tmp_path, report) as experiment:
    while int(state) < last:
      state, _ = experiment.train_call(state, 2)
  return int(state), notes


def test_whole_calls_are_traced(tmp_path):
  assert train_to(20, tmp_path, range(5, 9)) == (20, [ANY])
  assert traced_steps(tmp_path) == [{"4", "6", "8"}]


def test_what_a_resumed_run_traces(tmp_path):
  _, notes = train_to(14, tmp_path, range(5, 9), step=10)
  assert notes == ["the run is beyond step 9; nothing is traced"]
  assert not (tmp_path / "profile").exists()
  # And a run that is stopped in the middle.
  _, notes = train_to(8, tmp_path, range(5, 11), step=6)
  assert f"from step 6 to 8 is in {tmp_path}/profile" in notes[0]
  assert traced_steps(tmp_path) == [{"6"}]


def test_nothing_is_traced_unasked(tmp_path):
  assert train_to(4, tmp_path, None) == (4, [])
  assert not (tmp_path / "profile").exists()


@pytest.mark.slow
def test_the_flag(tmp_path):
  words = ["--config=configs/adding.py:tiny", f"--workdir={tmp_path}/run"]
  printed = run_process("experiments.train", *words, "--profile_steps=10:20")
  assert f"from step 10 to 20 is in {tmp_path}/run/profile" in printed
  assert traced_steps(tmp_path / "run") == [{"10"}]
