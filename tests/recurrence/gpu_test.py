"""What only an NVIDIA GPU can show; skipped without one.

LSTM_JAX_TEST_PLATFORM=cuda python -m pytest -n 0 tests/recurrence/gpu_test.py
"""

import functools
import shutil

import jax
import numpy as np
import pytest
from helpers import assert_close, make_small_config, set_up_runtime, sha
from lstm_problems import CUDNN, loss, problem, single

from experiments.train import Plan, train
from lstm_jax import LSTM, Options, unroll

pytestmark = pytest.mark.skipif(
  jax.default_backend() != "gpu", reason="needs an NVIDIA GPU"
)


@functools.partial(jax.jit, static_argnums=(0, 1))
def gradients(options, reverse, *arguments):
  run = functools.partial(loss, options=options, reverse=reverse)
  return jax.value_and_grad(run, (0, 1, 2), has_aux=True)(*arguments)


@pytest.mark.parametrize("reverse", [False, True])
def test_cudnn_computes_what_the_scan_does(reverse):
  params, x, state, _ = single(problem())
  with jax.default_matmul_precision("highest"):
    found, expected = (
      gradients(options, reverse, params, x, state)
      for options in (CUDNN, Options(engine="scan"))
    )
  assert_close(found, expected, 5e-6)  # float32 sums in another order


def test_tf32_is_the_default_of_both_engines():
  params, x, _, _ = single(problem(b=8, t=20, d=64, h=64))
  cell = LSTM(64)

  @functools.partial(jax.jit, static_argnums=0)
  def run(options):
    return unroll(cell, params, x, options=options)[0]

  with jax.default_matmul_precision("highest"):
    exact = run(Options(engine="scan"))
  for engine in ("scan", "cudnn"):
    rounded = run(Options(engine=engine))
    # 2^-11 a factor, over sums of 128 products and 20 steps.
    assert_close(rounded, exact, 5e-3)
    assert np.abs(rounded - exact).max() > 1e-6


def test_it_is_found_by_its_name_whatever_the_environment_says():
  done = set_up_runtime("gpu", JAX_PLATFORMS="cpu")
  assert done.returncode == 0, done.stderr


@pytest.fixture
def config(corpus):
  config = make_small_config(corpus)
  config.task.window = 64  # a symbol comes often, in the embedding's gradient
  config.train.batch_size = 16
  config.model.embedding_size = 24
  config.model.hidden_sizes = (64,)
  config.run.platform = "gpu"
  return config


@pytest.mark.parametrize("engine", ["scan", "cudnn"])
def test_a_run_repeats_itself_and_resumes_bit_exactly(config, engine, tmp_path):
  config.model.engine = engine
  for name in ("once", "twice"):
    assert train(Plan(config, str(tmp_path / name))) == 0
  shutil.copytree(tmp_path / "once", tmp_path / "resumed")
  shutil.rmtree(tmp_path / "resumed/checkpoints/12")
  assert train(Plan(config, str(tmp_path / "resumed"))) == 0
  digests = {sha(tmp_path / name) for name in ("once", "twice", "resumed")}
  assert len(digests) == 1
