"""What tests of several wings use."""

import os
import pathlib
import subprocess
import sys
from typing import ClassVar

import jax
import numpy as np
import pytest

from configs import char_lm
from experiments.command_line import load_config_file
from lstm_jax.config import Config
from lstm_jax.errors import ConfigError

REPOSITORY = pathlib.Path(__file__).parent.parent
CONFIGS = sorted((REPOSITORY / "configs").glob("[a-z]*.py"))


def variants(file: pathlib.Path) -> list[str]:
  """The variants of a config file: the default, tiny, and large if any."""
  try:
    load_config_file(f"{file}:large")
  except ConfigError:
    return ["", ":tiny"]
  return ["", ":tiny", ":large"]


def slow_but(values, quick):
  """Parameters of a test, those that are not `quick` marked slow."""
  return [
    value if value in quick else pytest.param(value, marks=pytest.mark.slow)
    for value in values
  ]


def run_main(module, capsys, *words) -> str:
  """What a command prints, called in this process."""
  assert not module.main([module.__name__, *words])
  return capsys.readouterr().out


def run_process(module: str, *words: str) -> str:
  """What a command prints, as a process of its own that must succeed."""
  done = subprocess.run(
    [sys.executable, "-m", module, *words],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stdout + done.stderr
  return done.stdout


class Child(subprocess.Popen):
  """A process that ends, at the latest, with the test that started it."""

  started: ClassVar[list] = []

  def __init__(self, *arguments, **options):
    super().__init__(*arguments, **options)
    self.started.append(self)


def sha(path: pathlib.Path) -> str:
  """The parameter digest that a run printed last."""
  lines = (path / "train.log").read_text().splitlines()
  return [line for line in lines if "sha256" in line][-1].split()[-1]


def small_text(length: int = 6000) -> str:
  """Some text with structure, made here."""
  words = ["red", "green", "blue", "one", "two", "three"]
  text, state = [], 1
  while sum(map(len, text)) < length:
    state = state * 1103515245 % 2**31
    text.append(words[state // 7 % 6] + (" \n"[state % 11 == 0]))
  return "".join(text)[:length]


def make_small_config(corpus: str) -> Config:
  config = char_lm.get_config("tiny")
  config.task.corpus = corpus
  config.task.window = 8
  config.task.limit = 0
  config.model.hidden_sizes = (8,)
  config.model.dropout.between = 0.1
  config.model.dropout.output = 0.1
  config.train.steps = 12
  config.train.batch_size = 4
  config.train.validate_every = 6
  config.train.validation_streams = 4
  config.run.log_every = 2
  config.run.save_every = 3
  config.run.sample_length = 10
  return config


def assert_close(a, b, tolerance, atol=0.0):
  """|a - b| <= tolerance * max|b| + atol, leaf by leaf."""
  assert jax.tree.structure(a) == jax.tree.structure(b)
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
    x, y = np.asarray(x), np.asarray(y)
    assert x.shape == y.shape
    most = tolerance * np.abs(y).max(initial=0.0) + atol
    np.testing.assert_allclose(x, y, rtol=0.0, atol=most, equal_nan=False)


def set_up_runtime(platform: str, **environment) -> subprocess.CompletedProcess:
  """A process of its own that does nothing else."""
  program = (
    f'from lstm_jax.parallel import runtime; runtime.setup("{platform}", 0, "")'
  )
  return subprocess.run(
    [sys.executable, "-c", program],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    env=os.environ | environment,
  )
