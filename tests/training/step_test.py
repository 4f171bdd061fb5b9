"""The training step: one golden step, restarts, noise, no recompilation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from lstm_jax.config import Config
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.layers.dropout import Dropout
from lstm_jax.run.build import build
from lstm_jax.training.optimizers import Optimizer, Schedule
from lstm_jax.training.state import init_state, observe_validation


def deterministic(config: Config) -> Config:
  """Without initialisers' and dropout's draws: see `constant_params`."""
  config.model.dropout = Dropout()
  config.optimizer.name = Optimizer.SGD
  config.optimizer.schedule = Schedule.CONSTANT
  config.optimizer.learning_rate = 0.1
  return config


def constant_params(params):
  """The same numbers on every machine and in every version of JAX."""
  return jax.tree.map(
    lambda p: jnp.sin(jnp.arange(p.size, dtype=p.dtype)).reshape(p.shape) / 2,
    params,
  )


def constant_state(config):
  experiment, state = build(config)
  return experiment, state.replace(params=constant_params(state.params))


def test_one_golden_step(small_config):
  config = deterministic(small_config)
  experiment, state = constant_state(config)
  state, metrics = experiment.train_call(state, experiment.task.source.at(0, 1))
  scores = experiment.task.scores(metrics.sums)
  # Recorded on a CPU with jax 0.12.0.1. If a change of the model or the data is
  # meant to change them, record the numbers that this assertion prints.
  golden = {"bits_per_char": 4.1632724, "gradient_norm": 0.41516805}
  found = {
    "bits_per_char": scores["bits_per_char"],
    "gradient_norm": float(metrics.gradient_norm),
  }
  assert found == pytest.approx(golden, rel=1e-5)  # float32 rounding
  assert int(metrics.sums.weight) == 4 * 8
  assert float(metrics.learning_rate) == np.float32(0.1)


def test_a_step_is_sgd_on_the_mean_loss(small_config):
  config = deterministic(small_config)
  config.optimizer.clip_norm = 0.0
  experiment, state = constant_state(config)
  before = jax.tree.map(jnp.copy, state.params)
  batch, _ = experiment.task.batch(
    experiment.task.source.at(0, 1), jnp.int32(0), jax.random.key(0)
  )

  def loss(params):
    model = nnx.merge(experiment.structure, params)
    return model(batch.inputs.x).nll(batch.targets.tokens).mean()

  expected = jax.tree.map(
    lambda p, g: p - 0.1 * g, before, jax.grad(loss)(before)
  )
  state, _ = experiment.train_call(state, experiment.task.source.at(0, 1))
  for a, b in zip(
    jax.tree.leaves(state.params), jax.tree.leaves(expected), strict=True
  ):
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("change", [{"chunk": 3}, {"backward": "autodiff"}])
def test_how_it_is_computed_changes_nothing(small_config, change):
  config = deterministic(small_config)
  experiment, state = constant_state(config)
  expected, _ = experiment.train_call(state, experiment.task.source.at(0, 1))
  for name, value in change.items():
    setattr(config.model, name, value)
  experiment, state = constant_state(config)
  found, _ = experiment.train_call(state, experiment.task.source.at(0, 1))
  for a, b in zip(
    jax.tree.leaves(found.params), jax.tree.leaves(expected.params), strict=True
  ):
    np.testing.assert_allclose(a, b, atol=2e-7)  # float32 rounding


def test_the_step_compiles_once(small_config):
  experiment, state = build(small_config)
  for _ in range(3):
    state, _ = experiment.train_call(state, experiment.task.source.at(0, 1))
  assert experiment.train_call._cache_size() == 1


def test_the_state_is_carried_and_restarts_with_the_epoch(small_config):
  experiment, state = build(deterministic(small_config))
  task = experiment.task
  data = jax.device_put(task.source.at(0, 1))
  assert task.steps_per_epoch * 8 == task.source.at(0, 1).inputs.shape[1]

  def carry_after(step, carry_scale):
    carry = jax.tree.map(lambda c: c + carry_scale, state.carry)
    fresh = jax.tree.map(jnp.copy, state)  # the step donates it
    fresh = fresh.replace(step=jnp.int32(step), carry=carry)
    new, _ = experiment.train_call(fresh, data)
    return np.concatenate([np.ravel(c) for c in jax.tree.leaves(new.carry)])

  for first_of_epoch in (0, task.steps_per_epoch, 3 * task.steps_per_epoch):
    np.testing.assert_array_equal(
      carry_after(first_of_epoch, 0.0), carry_after(first_of_epoch, 1.0)
    )
  assert (carry_after(1, 0.0) != carry_after(1, 1.0)).all()


def test_noise_follows_key_and_step(small_config):
  small_config.model.dropout.output = 0.5
  experiment, state = build(small_config)

  def loss(step, seed=0):
    fresh = jax.tree.map(jnp.copy, state)
    fresh = fresh.replace(step=jnp.int32(step), key=jax.random.key(seed))
    return float(
      experiment.train_call(fresh, experiment.task.source.at(0, 1))[1].sums.nats
    )

  epoch = experiment.task.steps_per_epoch  # the same text again
  assert loss(0) == loss(0)
  assert loss(0) != loss(epoch)
  assert loss(0) != loss(0, seed=1)


def test_plateau_scales_the_updates(small_config):
  config = deterministic(small_config)
  config.optimizer.schedule = Schedule.PLATEAU
  config.optimizer.decay, config.optimizer.patience = 0.5, 1
  experiment, state = constant_state(config)
  before = jax.tree.map(np.asarray, state.params)
  data = experiment.task.source.at(0, 1)
  full, metrics = experiment.train_call(jax.tree.map(jnp.copy, state), data)
  assert float(metrics.learning_rate) == np.float32(0.1)
  for nats in (2.0, 3.0):
    state = observe_validation(state, experiment.plateau, nats)
  half, metrics = experiment.train_call(state, data)
  assert float(metrics.learning_rate) == np.float32(0.05)
  for p, a, b in zip(
    *map(jax.tree.leaves, (before, full.params, half.params)), strict=True
  ):
    np.testing.assert_allclose((a - p) / 2, b - p, atol=2e-7)


def test_initial_state_shares_no_buffer():
  """A donated state must not hold the same buffer twice."""
  zeros = jnp.zeros((2, 3))
  state = init_state({"w": zeros}, (zeros, zeros), optax.sgd(0.1), None, 0)
  jax.jit(lambda s: s, donate_argnums=0)(state)


@pytest.mark.parametrize("streams", [1, 3])
def test_evaluation_is_the_mean_over_the_split(small_config, streams):
  experiment, state = build(small_config)
  task = experiment.task
  evaluate = make_evaluation(experiment.structure, task, "valid", streams)
  seen = []
  sums = evaluate(state.params, lambda done, all: seen.append((done, all)))
  assert seen[-1][0] == seen[-1][1] == len(seen)
  _, data, _ = task.evaluation("valid", streams)
  model = nnx.merge(experiment.structure, state.params)
  output = model(data.inputs.astype(np.int32))
  nll = np.asarray(output.nll(data.targets.astype(np.int32)), np.float64)
  assert (
    sums.weight == data.weights.sum() == task.record["characters"]["valid"] - 1
  )
  assert sums.nats == pytest.approx((nll * data.weights).sum(), rel=1e-5)
