"""Tests run on eight virtual CPU devices, with a compilation cache of their
own."""

import os
import tempfile

# "cuda" is for tests/recurrence/gpu_test.py and those of the cells.
os.environ["JAX_PLATFORMS"] = os.environ.get("LSTM_JAX_TEST_PLATFORM", "cpu")
# Programs are compiled more often than they are run here.
os.environ["XLA_FLAGS"] = (
  "--xla_force_host_platform_device_count=8"
  " --xla_backend_optimization_level=0"
  " --xla_llvm_disable_expensive_passes=true"
  " --xla_gpu_deterministic_ops=true"
)
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="lstm_jax_tests_")

import pathlib
import shutil
import signal
import subprocess
import sys
from typing import ClassVar

import jax
import jaxtyping
import pytest

from configs import char_lm
from experiments.command_line import load_config_file
from lstm_jax.config import Config
from lstm_jax.errors import ConfigError

# nohup and scripts start their background with signals ignored, which is passed
# on to the processes that tests start; what is caught is not.
for number in (signal.SIGINT, signal.SIGHUP):
  if signal.getsignal(number) == signal.SIG_IGN:
    signal.signal(number, lambda *_: None)

REPOSITORY = pathlib.Path(__file__).parent.parent
CONFIGS = sorted((REPOSITORY / "configs").glob("[a-z]*.py"))


def pytest_unconfigure():
  shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


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


def sha(path: pathlib.Path) -> str:
  """The parameter digest that a run printed last."""
  lines = (path / "train.log").read_text().splitlines()
  return [line for line in lines if "sha256" in line][-1].split()[-1]


@pytest.fixture
def unchecked():
  """Without the type checks that the tests switch on, as users have it."""
  jaxtyping.config.update("jaxtyping_disable", True)
  yield
  jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def x64():
  """float64 for the test, to compare with tight tolerances."""
  with jax.enable_x64(True):
    yield


def small_text(length: int = 6000) -> str:
  """Some text with structure, made here."""
  words = ["red", "green", "blue", "one", "two", "three"]
  text, state = [], 1
  while sum(map(len, text)) < length:
    state = state * 1103515245 % 2**31
    text.append(words[state // 7 % 6] + (" \n"[state % 11 == 0]))
  return "".join(text)[:length]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> str:
  path = tmp_path_factory.mktemp("corpus") / "text.txt"
  path.write_text(small_text())
  return str(path)


@pytest.fixture
def small_config(corpus) -> Config:
  """A run of 12 steps with 2 validations and 4 checkpoints."""
  return make_small_config(corpus)


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


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, corpus) -> pathlib.Path:
  """A run directory trained to its last step. Tests must not change it."""
  from experiments.train import train

  path = tmp_path_factory.mktemp("runs") / "finished"
  assert train(make_small_config(corpus), str(path)) == 0
  return path


@pytest.fixture(scope="session")
def trials_run(tmp_path_factory) -> pathlib.Path:
  """A finished run of three trials. Tests must not change it."""
  path = tmp_path_factory.mktemp("runs") / "trials"
  run_process(
    "experiments.train",
    "--config=configs/hochreiter_1997.py:tiny",
    f"--workdir={path}",
    "--config.task.evaluation_sequences=40",
    "--config.train.steps=100",
    "--config.train.validate_every=100",
  )
  return path


class Child(subprocess.Popen):
  """A process that ends, at the latest, with the test that started it."""

  started: ClassVar[list] = []

  def __init__(self, *arguments, **options):
    super().__init__(*arguments, **options)
    self.started.append(self)


@pytest.fixture(autouse=True)
def end_children():
  yield
  while Child.started:
    with Child.started.pop() as child:  # which closes its pipes
      if child.poll() is None:
        child.kill()


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
