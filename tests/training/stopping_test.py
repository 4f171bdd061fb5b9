"""Stopping rules against a list of everything that was seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.metrics.sums import Sums
from lstm_jax.training import stopping
from lstm_jax.training.stopping import StopConfig


def sums_of(wrong, error):
  extra = {"wrong": wrong, "absolute": error, "steps": 1.0}
  return Sums(0.0, 1.0, {k: jnp.float32(v) for k, v in extra.items()})


@pytest.mark.parametrize("misses", [0, 2])
def test_the_recent_sequences(misses):
  config = StopConfig(
    name="recent", sequences=7, misses=misses, mean_error=(0.5, 0.3)
  )
  random = np.random.default_rng(0)
  # More and more right answers with smaller and smaller errors.
  chance = np.linspace(1, 0, 60)
  wrong = random.random(60) < chance
  error = random.random(60) * (0.2 + chance)
  observe = jax.jit(
    lambda state, w, e, step: stopping.observe_sequence(
      config, state, sums_of(w, e), step
    )
  )
  state, first = stopping.init_stop(config), [-1, -1]
  for step in range(1, 61):
    state, done = observe(state, wrong[step - 1], error[step - 1], step)
    if step >= 7 and wrong[step - 7 : step].sum() <= misses:
      mean = error[step - 7 : step].mean()
      for k, bound in enumerate(config.mean_error):
        if first[k] < 0 and mean < bound:
          first[k] = step
    assert state.met.tolist() == first
    assert bool(done) == (first[1] >= 0)
  assert 7 <= first[0] < first[1]  # or the test says little


def test_a_fixed_set():
  config = StopConfig(name="set", sequences=10, misses=1, mean_error=(0.1,))
  state = stopping.init_stop(config)

  def check(state, wrong, mean, step):
    extra = {"wrong": wrong, "absolute": 20 * mean, "steps": 20.0}
    extra = {k: jnp.float32(v) for k, v in extra.items()}
    return stopping.observe_set(
      config, state, Sums(0.0, 1.0, extra), jnp.int32(step)
    )

  state, done = check(state, 2, 0.05, 100)
  assert not done
  state, done = check(state, 1, 0.11, 200)
  assert not done and state.met.tolist() == [-1]
  state, done = check(state, 1, 0.09, 300)
  assert done and state.met.tolist() == [300]


def test_no_rule_has_no_memory():
  assert stopping.init_stop(StopConfig()) is None
