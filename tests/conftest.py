"""Tests run on eight virtual CPU devices, with a compilation cache of their
own."""

import os
import tempfile

# "cuda" is for tests/recurrence/gpu_test.py and those of the cells.
os.environ["JAX_PLATFORMS"] = os.environ.get("LSTM_JAX_TEST_PLATFORM", "cpu")
# Programs are compiled more often than they are run here; `make test-all` has
# them optimised, as users do.
os.environ["XLA_FLAGS"] = (
  "--xla_force_host_platform_device_count=8 --xla_gpu_deterministic_ops=true"
) + (
  ""
  if os.environ.get("LSTM_JAX_TEST_XLA") == "default"
  else " --xla_backend_optimization_level=0"
  " --xla_llvm_disable_expensive_passes=true"
)
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="lstm_jax_tests_")

import pathlib
import shutil
import signal

import jax
import jaxtyping
import pytest
from helpers import Child, make_small_config, run_process, small_text

from lstm_jax.config import Config

# nohup and scripts start their background with signals ignored, which is passed
# on to the processes that tests start; what is caught is not.
for number in (signal.SIGINT, signal.SIGHUP):
  if signal.getsignal(number) == signal.SIG_IGN:
    signal.signal(number, lambda *_: None)


def pytest_unconfigure():
  shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


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


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> str:
  path = tmp_path_factory.mktemp("corpus") / "text.txt"
  path.write_text(small_text())
  return str(path)


@pytest.fixture
def small_config(corpus) -> Config:
  """A run of 12 steps with 2 validations and 4 checkpoints."""
  return make_small_config(corpus)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, corpus) -> pathlib.Path:
  """A run directory trained to its last step. Tests must not change it."""
  from experiments.train import Plan, train

  path = tmp_path_factory.mktemp("runs") / "finished"
  assert train(Plan(make_small_config(corpus), str(path))) == 0
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


@pytest.fixture(autouse=True)
def end_children():
  yield
  while Child.started:
    with Child.started.pop() as child:  # which closes its pipes
      if child.poll() is None:
        child.kill()
