"""Averages of the parameters: the mean, the trigger, runs that resume."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import sha

from experiments.train import Plan, train
from lstm_jax import load_run
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.checkpoints.manifest import Validation
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.run.build import build
from lstm_jax.training import averaging
from lstm_jax.training.averaging import AveragingConfig
from lstm_jax.training.optimizers import Optimizer, Schedule
from lstm_jax.training.state import observe_validation


def test_the_mean_of_the_parameters_since_the_start():
  values = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
  state = averaging.init_averages(
    AveragingConfig("non_monotone"), {"w": values[0]}
  )
  for number, value in enumerate(values):
    if number == 4:
      state = state._replace(started=jnp.asarray(True))
    state = averaging.add_to_averages(state, {"w": value})
    expected = value if number < 4 else values[4 : number + 1].mean(0)
    np.testing.assert_allclose(state.mean["w"], expected, rtol=1e-6, atol=1e-7)
  assert averaging.init_averages(AveragingConfig(), {}) is None


@pytest.mark.parametrize("patience", [1, 3])
def test_the_trigger_is_that_of_the_paper(patience):
  """Algorithm 1: at t > n, loss_t > min of loss_0 ... loss_{t-n-1}."""
  losses = [5.0, 3.0, 4.0, 2.9, 3.5, 3.1, 2.8, 3.0, 2.95, 2.9]
  state = averaging.init_averages(AveragingConfig("non_monotone", patience), {})
  started = False
  for t, loss in enumerate(losses):
    started |= t > patience and loss > min(losses[: t - patience])
    state = averaging.observe_score(state, loss)
    assert bool(state.started) == started
  assert started


def averaged(small_config):
  small_config.optimizer.name = Optimizer.SGD
  small_config.optimizer.learning_rate = 0.5
  small_config.optimizer.schedule = Schedule.CONSTANT
  small_config.train.averaging = AveragingConfig("always")
  return validate(small_config)


def test_a_checkpoint_holds_both(small_config, tmp_path):
  experiment, state = build(averaged(small_config))
  seen = []
  for _ in range(4):
    state, _ = experiment.train_call(state, experiment.data)
    seen.append(jax.tree.map(np.asarray, state.params))
  mean = jax.tree.map(lambda *leaves: np.mean(leaves, 0), *seen)
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    checkpointer.save(state, Validation(1.0, 1.0))
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    params, _ = checkpointer.load_params("best", state.params)
    _, other = build(small_config)
    restored, _ = checkpointer.restore_latest(other)
  for found, expected in (
    (restored.opt_state, state.opt_state),
    (restored.params, state.params),
    (restored.averages, state.averages),
    (params, state.evaluated),
  ):
    jax.tree.map(np.testing.assert_array_equal, found, expected)
  for found, expected, last in zip(
    *map(jax.tree.leaves, (params, mean, state.params))
  ):
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (found != last).any()


def test_a_run_resumes_with_its_averages(small_config, tmp_path):
  config = averaged(small_config)
  assert train(Plan(config, str(tmp_path / "whole"))) == 0
  config.train.steps = 6
  assert train(Plan(config, str(tmp_path / "parts"))) == 0
  assert train(Plan(config, str(tmp_path / "parts"), extend_to=12)) == 0
  assert sha(tmp_path / "parts") == sha(tmp_path / "whole")
  load_run(tmp_path / "whole")


def test_validation_starts_it(small_config):
  config = averaged(small_config)
  config.train.averaging = AveragingConfig("non_monotone", 1)
  _, state = build(config)
  for loss in (2.0, 1.0):
    state = observe_validation(state, None, loss)
    assert not state.averages.started
  assert observe_validation(state, None, 2.5).averages.started


def test_not_with_trials(small_config):
  config = averaged(small_config)
  config.train.trials = 2
  with pytest.raises(ConfigError, match="averaging.name: it follows one"):
    validate(config)
