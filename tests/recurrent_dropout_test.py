"""Regularisers of the recurrence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import LSTM, LSTMState, Noise, unroll
from lstm_jax.cells.registry import CELLS
from lstm_jax.layers import recurrent_dropout
from lstm_jax.models.config import CellOptions, LanguageModelConfig

B, T, D, H = 4, 50, 3, 20
KEY = jax.random.key(0)
STATE = LSTM(H).initial_state(B)


def test_without_a_key_nothing_is_dropped():
  quiet = Noise()
  assert recurrent_dropout.variational(quiet, B, H, 0.5, None) == quiet
  assert recurrent_dropout.recurrent(quiet, (B, T, H), 0.5, None) == quiet
  params = LSTM(H).init(KEY, D)
  dropped = recurrent_dropout.weight_drop(params, 0.5, None)
  np.testing.assert_array_equal(dropped["w_h"], params["w_h"])
  x = jnp.ones((B, T, D))
  np.testing.assert_array_equal(recurrent_dropout.locked(x, 0.5, None), x)
  table = jnp.ones((7, 5))
  np.testing.assert_array_equal(
    recurrent_dropout.embedding_dropout(table, 0.5, None), table
  )


def test_masks_have_their_shapes_and_means():
  once = recurrent_dropout.variational(Noise(), 400, H, 0.25, KEY).recurrent
  assert once.shape == (400, 1, H)
  step = recurrent_dropout.recurrent(Noise(), (B, T, H), 0.25, KEY).step
  assert step.shape == (B, T, H)
  locked = recurrent_dropout.locked(jnp.ones((400, 6, H)), 0.25, KEY)
  np.testing.assert_array_equal(
    locked, np.broadcast_to(locked[:, :1], locked.shape)
  )
  rows = recurrent_dropout.embedding_dropout(jnp.ones((8000, 3)), 0.25, KEY)
  np.testing.assert_array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape))
  weights = recurrent_dropout.weight_drop(
    {"w_h": jnp.ones((90, 90))}, 0.25, KEY
  )
  for mask in (once, step, locked[:, 0], rows[:, 0], weights["w_h"]):
    assert set(np.unique(mask)) == {0.0, np.float32(1 / 0.75)}
    # At least 4000 draws: standard deviation of the mean at most 0.01.
    assert abs(float(mask.mean()) - 1) < 0.04


def test_zoneout_keeps_units_in_training_and_means_at_evaluation():
  rates = LSTMState(h=0.1, c=0.6)
  hold = recurrent_dropout.zoneout(Noise(), STATE, T, rates, KEY).hold
  assert hold.h.shape == hold.c.shape == (B, T, H)
  assert set(np.unique(hold.c)) == {0.0, 1.0}
  # 4000 draws: standard deviation at most 0.008.
  assert abs(float(hold.h.mean()) - 0.1) < 0.03
  assert abs(float(hold.c.mean()) - 0.6) < 0.03
  mean = recurrent_dropout.zoneout(Noise(), STATE, T, rates, None).hold
  np.testing.assert_allclose(mean.h, 0.1)
  assert mean.c.shape == (B, 1, H)


def test_zoneout_of_nothing_and_of_everything():
  params = LSTM(H).init(KEY, D)
  x = jax.random.normal(KEY, (B, T, D))
  plain, end = unroll(LSTM(H), params, x)
  none = recurrent_dropout.zoneout(Noise(), STATE, T, LSTMState(0.0, 0.0), KEY)
  np.testing.assert_allclose(unroll(LSTM(H), params, x, noise=none)[0], plain)
  all_ = recurrent_dropout.zoneout(Noise(), STATE, T, LSTMState(1.0, 1.0), KEY)
  y, final = unroll(LSTM(H), params, x, end, noise=all_)
  np.testing.assert_array_equal(final.c, end.c)


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_takes_every_noise(name):
  config = LanguageModelConfig(cell=name, hidden_sizes=(H,))
  config.options = CellOptions(projection_size=7)
  (cell,) = config.cells()
  params = cell.init(KEY, D)
  state = cell.initial_state(B)
  rates = jax.tree.map(lambda _: 0.3, state)
  noise = recurrent_dropout.zoneout(Noise(), state, T, rates, KEY)
  noise = recurrent_dropout.recurrent(noise, (B, T, H), 0.3, KEY)
  if "w_h" in params:
    size = cell.recurrent_input(params, state).shape[-1]
    noise = recurrent_dropout.variational(noise, B, size, 0.3, KEY)
  x = jax.random.normal(KEY, (B, T, D))

  def loss(params, noise):
    return (unroll(cell, params, x, noise=noise)[0] ** 2).sum()

  value, grads = jax.jit(jax.value_and_grad(loss))(params, noise)
  assert all(np.isfinite(g).all() for g in grads.values())
  assert float(value) != float(loss(params, Noise()))
