"""Optimisers and schedules against their formulas."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.training.optimizers import (
  Optimizer,
  OptimizerConfig,
  Schedule,
  make_optimizer,
  make_plateau,
  make_schedule,
)


def updates(gradients, **settings):
  """The change of one parameter, 1 at the start, after each gradient."""
  config = OptimizerConfig(
    learning_rate=0.1, schedule=Schedule.CONSTANT, clip_norm=0.0
  )
  for name, value in settings.items():
    setattr(config, name, value)
  optimizer = make_optimizer(config, make_schedule(config, 10, 5))
  params = jnp.array(1.0)
  state, changes = optimizer.init(params), []
  for gradient in gradients:
    update, state = optimizer.update(jnp.array(gradient), state, params)
    params = optax.apply_updates(params, update)
    changes.append(float(update))
  return changes


def test_formulas_of_the_first_updates():
  rtol = 5e-5  # float32; 1 - 0.999**2 in Adam has lost 9 of its 24 bits
  sgd = updates([2.0, 4.0], name=Optimizer.SGD)
  np.testing.assert_allclose(sgd, [-0.2, -0.4], rtol=rtol)
  momentum = updates([2.0, 4.0], name=Optimizer.MOMENTUM, momentum=0.5)
  np.testing.assert_allclose(momentum, [-0.2, -0.1 * (4 + 1)], rtol=rtol)
  adam = updates([2.0, 2.0], name=Optimizer.ADAM)
  np.testing.assert_allclose(adam, [-0.1, -0.1], rtol=rtol)
  adamw = updates([2.0], name=Optimizer.ADAMW, weight_decay=0.5)
  np.testing.assert_allclose(adamw, [-0.1 - 0.1 * 0.5], rtol=rtol)
  rmsprop = updates([2.0], name=Optimizer.RMSPROP, rms_decay=0.75)
  np.testing.assert_allclose(rmsprop, [-0.1 * 2 / (0.25 * 4) ** 0.5], rtol=rtol)
  # of small gradients too: epsilon, 1e-8, is added to their root mean square
  rmsprop = updates([1e-6], name=Optimizer.RMSPROP, rms_decay=0.75)
  np.testing.assert_allclose(rmsprop, [-0.1e-6 / (0.5e-6 + 1e-8)], rtol=rtol)


def test_clipping_by_global_norm():
  clipped = updates([0.5, 3.0, -8.0], name=Optimizer.SGD, clip_norm=1.0)
  np.testing.assert_allclose(clipped, [-0.05, -0.1, 0.1], rtol=1e-6)


@pytest.mark.parametrize("name", list(Optimizer))
def test_every_optimizer_descends(name):
  config = OptimizerConfig(
    name=name, learning_rate=0.05, schedule=Schedule.CONSTANT
  )
  optimizer = make_optimizer(config, make_schedule(config, 100, 10))
  params = jnp.array([1.0, -2.0])
  state = optimizer.init(params)
  for _ in range(100):
    update, state = optimizer.update(2 * params, state, params)
    params = optax.apply_updates(params, update)
  assert float((params**2).sum()) < 0.5


def rates(steps=20, steps_per_epoch=4, **settings):
  config = OptimizerConfig(learning_rate=2.0, **settings)
  schedule = make_schedule(config, steps, steps_per_epoch)
  return [float(schedule(step)) for step in range(steps + 1)]


def test_schedules():
  assert set(rates(schedule=Schedule.CONSTANT)) == {2.0}
  assert set(rates(schedule=Schedule.PLATEAU)) == {2.0}
  cosine = rates(schedule=Schedule.COSINE, final_fraction=0.1)
  np.testing.assert_allclose(
    cosine,
    [2 * (0.1 + 0.9 * (1 + np.cos(np.pi * s / 20)) / 2) for s in range(21)],
    rtol=1e-5,
  )
  step = rates(schedule=Schedule.STEP, decay=0.5, decay_from_epoch=2)
  assert step == [2.0] * 8 + [1.0] * 4 + [0.5] * 4 + [0.25] * 4 + [0.125]


def test_warmup_is_linear_and_shifts_the_schedule():
  warm = rates(schedule=Schedule.COSINE, warmup_steps=4)
  np.testing.assert_allclose(warm[:5], [0, 0.5, 1.0, 1.5, 2.0])
  assert warm[20] == pytest.approx(0.0, abs=1e-6)
  # The epochs of the step schedule count from the first step all the same.
  step = rates(schedule=Schedule.STEP, warmup_steps=6, decay_from_epoch=2)
  assert step[6] == step[7] == 2.0 and step[8] == 1.0


def test_plateau_lowers_the_rate_after_its_patience():
  config = OptimizerConfig(schedule=Schedule.PLATEAU, decay=0.1, patience=2)
  plateau = make_plateau(config)
  state = plateau.init({"w": jnp.zeros(3)})
  scales = []
  for loss in (3.0, 2.0, 2.5, 2.1, 1.0, 1.1, 1.2):
    _, state = plateau.update({}, state, value=loss)
    scales.append(float(state.scale))
  np.testing.assert_allclose(scales, [1, 1, 1, 0.1, 0.1, 0.1, 0.01], rtol=1e-5)
  assert make_plateau(OptimizerConfig(schedule=Schedule.COSINE)) is None
