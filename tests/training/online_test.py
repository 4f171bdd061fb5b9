"""Learning at every step: the forward form of the truncated gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import assert_close

from configs import hochreiter_1997
from lstm_jax.run.build import build
from lstm_jax.tasks.temporal_order import TemporalOrderConfig


def config_of(variant, update_every, rate):
  config = hochreiter_1997.get_config(variant)
  config.train.trials = config.train.steps_per_call = 1
  config.train.stop.name = "never"
  config.train.update_every = update_every
  config.train.recurrent_from = 0
  config.optimizer.learning_rate = rate
  return config


def change(config):
  experiment, state = build(config)
  before = jax.tree.map(np.asarray, state.params)
  state, metrics = experiment.train_call(state, experiment.data)
  return jax.tree.map(lambda a, b: np.asarray(a) - b, state.params, before), (
    metrics
  )


def test_small_steps_add_up_to_the_gradient_of_the_sequence():
  """With a rate that goes to zero, the weights hardly move on the way."""
  rate = 1e-2
  found, metrics = change(config_of("1-3x2-0.5-0", "step", rate))
  expected, of_sequence = change(config_of("1-3x2-0.5-0", "sequence", rate))
  scale = max(abs(leaf).max() for leaf in jax.tree.leaves(expected))
  # On the way the weights move by 1e-3; 1.5e-3 of the largest was seen.
  assert_close(found, expected, 0, atol=5e-3 * scale)
  assert_close(metrics.sums, of_sequence.sums, 1e-3)


def test_a_trial_has_its_own_learning_rate():
  config = config_of("1-3x2-0.5-0", "step", 0.1)
  expected, _ = change(config)
  experiment, state = build(config_of("1-3x2-0.5-0", "step", 0.2))
  before = jax.tree.map(np.asarray, state.params)
  state = state.replace(rate=jnp.float32(0.5))
  state, metrics = experiment.train_call(state, experiment.data)
  found = jax.tree.map(lambda a, b: np.asarray(a) - b, state.params, before)
  assert_close(found, expected, 1e-4, atol=1e-7)
  assert float(metrics.learning_rate) == np.float32(0.1)


def test_one_target_is_one_update():
  """A target at the end alone: both ways are the same, whatever the rate."""
  results = []
  for update_every in ("step", "sequence"):
    config = config_of("6a", update_every, 0.5)
    config.task = TemporalOrderConfig(length=15)
    results.append(change(config))
  assert_close(*(r[0] for r in results), 1e-4, atol=1e-7)
  assert_close(*(r[1].sums for r in results), 1e-5)


def test_the_second_step_sees_the_first_update():
  """Two steps by hand, from the gradients of sequences of one and two steps."""
  rate = 0.5
  config = config_of("1-3x2-0.5-0", "step", rate)
  experiment, state = build(config)
  data = jax.tree.map(jnp.asarray, experiment.data)
  # What lies behind the second step does not count.
  short = data._replace(
    **{
      name: getattr(data, name) & (jnp.arange(data.mask.shape[1]) < 2)
      if name == "mask"
      else getattr(data, name) * (jnp.arange(data.mask.shape[1]) < 2)
      for name in ("mask", "weights")
    }
  )
  before = jax.tree.map(jnp.copy, state)
  found, _ = experiment.train_call(state, short)
  task, key = experiment.task, jax.random.fold_in(before.key, 2**31)
  batch, _ = task.batch(short, before.step, key)
  tokens = batch.inputs.x

  def loss_of(out, steps):
    return task.loss(
      out, jax.tree.map(lambda a: a[:, steps], batch.targets)
    ).nats

  def run(params, first, second):
    """Loss of step `second`, the cells of step `first` made by its weights."""
    one = nnx.merge(experiment.structure, first)(tokens[:, :1])
    out = nnx.merge(experiment.structure, params)(tokens[:, 1:2], one.state)
    return loss_of(out, slice(1, 2))

  def first_loss(params):
    out = nnx.merge(experiment.structure, params)(tokens[:, :1])
    return loss_of(out, slice(1))

  start = before.params
  middle = jax.tree.map(
    lambda p, g: p - rate * g, start, jax.grad(first_loss)(start)
  )
  direct, through = jax.grad(run, (0, 1))(middle, start, None)
  expected = jax.tree.map(
    lambda p, a, b: p - rate * (a + b), middle, direct, through
  )
  assert_close(found.params, expected, 1e-4, atol=1e-6)


@pytest.mark.parametrize("update_every", ["step", "sequence"])
def test_recurrent_layers_can_wait(update_every):
  config = config_of("2a", update_every, 0.5)
  config.task.symbols = 5
  config.train.recurrent_from = 2
  experiment, state = build(config)
  before = jax.tree.map(np.asarray, state.params)
  for waiting in (True, True, False):
    state, _ = experiment.train_call(state, experiment.data)
    for name in ("stack", "output_w"):
      same = all(
        (np.asarray(a) == b).all()
        for a, b in zip(
          jax.tree.leaves(state.params[name]),
          jax.tree.leaves(before[name]),
          strict=True,
        )
      )
      assert same == waiting
    assert (np.asarray(state.params["skip_w"]) != before["skip_w"]).any()
