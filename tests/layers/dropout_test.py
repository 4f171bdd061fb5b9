"""Dropout of every kind: shapes, means, keys of rows, evaluation."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import slow_but

from lstm_jax import LSTM, LSTMState, Noise, unroll
from lstm_jax.cells.base import StateNoise
from lstm_jax.cells.gru import GRU
from lstm_jax.cells.min_lstm import MinLSTM
from lstm_jax.cells.mogrifier import MogrifierLSTM
from lstm_jax.cells.registry import CELLS
from lstm_jax.cells.slstm import SLSTM
from lstm_jax.layers import recurrent_dropout
from lstm_jax.layers.dropout import (
  Dropout,
  dropout,
  embedding_dropout,
  noise_keys,
)
from lstm_jax.layers.stack import Stack
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.language_model import LanguageModelConfig

B, T, D, H = 4, 50, 3, 20
KEY = jax.random.key(0)
STATE = LSTM(H).initial_state(B)
RATES = [f.name for f in dataclasses.fields(Dropout) if f.name != "locked"]


def keys(rows=B, seed=0):
  return noise_keys(jax.random.key(seed), jnp.arange(rows))


def test_masks_have_their_shapes_and_means():
  masks = {
    "elements": dropout(jnp.ones((40, 10, H)), 0.25, keys(40)),
    "recurrent": recurrent_dropout.variational(H, 0.25, keys(400)),
    "cell input": recurrent_dropout.recurrent((T, H), 0.25, keys()),
    "weights": recurrent_dropout.weight_drop(
      {"w_h": jnp.ones((90, 90))}, 0.25, keys()
    )["w_h"],
  }
  locked = dropout(jnp.ones((400, 6, H)), 0.25, keys(400), locked=True)
  np.testing.assert_array_equal(
    locked, np.broadcast_to(locked[:, :1], locked.shape)
  )
  rows = embedding_dropout(jnp.ones((8000, 3)), 0.25, keys())
  np.testing.assert_array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape))
  masks |= {"locked": locked[:, 0], "rows": rows[:, 0]}
  assert masks["recurrent"].shape == (400, 1, H)
  assert masks["cell input"].shape == (B, T, H)
  for name, mask in masks.items():
    assert set(np.unique(mask)) == {0.0, np.float32(1 / 0.75)}, name
    # At least 4000 draws: standard deviation of the mean at most 0.01.
    assert abs(float(mask.mean()) - 1) < 0.04, name


def test_zoneout_keeps_units_in_training_and_means_at_evaluation():
  rates = Dropout(zoneout_h=0.1, zoneout_c=0.6)
  hold = recurrent_dropout.zoneout(rates, STATE, T, keys())
  assert hold.h.shape == hold.c.shape == (B, T, H)
  assert set(np.unique(hold.c)) == {0.0, 1.0}
  # 4000 draws: standard deviation at most 0.008.
  assert abs(float(hold.h.mean()) - 0.1) < 0.03
  assert abs(float(hold.c.mean()) - 0.6) < 0.03
  mean = recurrent_dropout.zoneout(rates, STATE, T, None)
  np.testing.assert_allclose(mean.h, 0.1)
  assert mean.c.shape == (B, 1, H)


def test_zoneout_of_nothing_and_of_everything():
  params = LSTM(H).init(KEY, D)
  x = jax.random.normal(KEY, (B, T, D))
  plain, end = unroll(LSTM(H), params, x)
  zeros, ones = (
    LSTMState(*(jnp.full((B, 1, H), value) for _ in range(2)))
    for value in (0.0, 1.0)
  )
  none, _ = unroll(LSTM(H), params, x, noise=Noise(hold=zeros))
  np.testing.assert_allclose(none, plain)
  _, final = unroll(LSTM(H), params, x, end, noise=Noise(hold=ones))
  np.testing.assert_array_equal(final.c, end.c)


def stack(rates, **options):
  options = {"cells": [LSTM(H), LSTM(H)], "input_size": D} | options
  return Stack(**options, rates=rates, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("name", [r for r in RATES if r != "embedding"])
def test_every_rate_acts_in_training_alone(name):
  x = jax.random.normal(KEY, (B, T, D))
  plain, _ = stack(Dropout())(x)
  noisy = stack(Dropout(**{name: 0.4}))
  drawn, _ = noisy(x, keys=keys())
  again, _ = noisy(x, keys=keys())
  other, _ = noisy(x, keys=keys(seed=1))
  np.testing.assert_array_equal(drawn, again)
  assert (drawn != plain).any() and (drawn != other).any()
  quiet, _ = noisy(x)
  if name.startswith("zoneout"):  # the mean
    assert (quiet != plain).any()
  else:
    np.testing.assert_array_equal(quiet, plain)


@pytest.mark.parametrize("name", [r for r in RATES if r != "embedding"])
@pytest.mark.parametrize("bidirectional", slow_but([False, True], [True]))
def test_a_row_has_its_noise_wherever_it_is_computed(name, bidirectional):
  """What splitting a batch over devices rests on."""
  x = jax.random.normal(KEY, (B, 7, D))
  model = stack(Dropout(**{name: 0.4}), bidirectional=bidirectional)
  whole, _ = model(x, keys=keys())
  half, _ = model(x[2:], keys=noise_keys(KEY, jnp.array([2, 3])))
  np.testing.assert_allclose(half, whole[2:], atol=1e-6)


def test_layers_and_directions_have_noise_of_their_own():
  rates = Dropout(recurrent=0.5)
  seen = []
  for number in range(2):
    here = keys().fold_in(number)
    for direction in range(2):
      mask = recurrent_dropout.variational(
        H, rates.recurrent, here.fold_in(1 + direction)
      )
      seen.append(np.asarray(mask).tobytes())
  assert len(set(seen)) == 4


def test_what_a_cell_has_no_place_for():
  rates = Dropout(recurrent=0.1, zoneout_c=0.1)
  assert recurrent_dropout.misplaced(rates, LSTM(H)) is None
  assert recurrent_dropout.misplaced(rates, MinLSTM(H)) == "recurrent"
  assert recurrent_dropout.misplaced(rates, MogrifierLSTM(H)) is None
  assert recurrent_dropout.misplaced(rates, GRU(H)) == "zoneout_c"
  assert recurrent_dropout.misplaced(rates, SLSTM(H)) == "zoneout_c"


@pytest.mark.parametrize(
  "name",
  slow_but(CELLS, ["lstm", "layer_norm", "lstm_1997", "greff"]),
)
def test_every_cell_takes_every_noise(name):
  config = LanguageModelConfig(cell=name, hidden_sizes=(H,))
  config.options = CellOptions(projection_size=7)
  (cell,) = config.cells()
  image = getattr(cell, "image_size", ())
  rates = Dropout(recurrent=0.3, cell_input=0.3, weight=0.3, zoneout_c=0.3)
  while wrong := recurrent_dropout.misplaced(rates, cell):
    setattr(rates, wrong, 0.0)
  rates.zoneout_h = 0.3
  params = cell.init(KEY, D)
  state = cell.initial_state(B)
  x = jax.random.normal(KEY, (B, T, *image, D))

  def loss(params):
    dropped, noise = recurrent_dropout.draw(
      rates, cell, params, state, T, keys()
    )
    return (unroll(cell, dropped, x, noise=noise)[0] ** 2).sum()

  value, grads = jax.jit(jax.value_and_grad(loss))(params)
  assert all(np.isfinite(g).all() for g in grads.values())
  plain, _ = unroll(cell, params, x)
  assert float(value) != float((plain**2).sum())


@pytest.mark.parametrize("name", CELLS)
def test_the_state_is_linear_in_the_noise_on_the_cell_input(name):
  config = LanguageModelConfig(cell=name, hidden_sizes=(H,))
  config.options = CellOptions(projection_size=7)
  (cell,) = config.cells()
  image = getattr(cell, "image_size", ())
  rates = Dropout(cell_input=0.3)
  if recurrent_dropout.misplaced(rates, cell):
    return
  params = cell.init(KEY, D)
  x = jax.random.normal(KEY, (B, 3, *image, D))

  def final(factor):
    step = jnp.full((B, 3, *image, H), 1.0).at[:, -1].set(factor)
    step = StateNoise(step) if cell.takes_state_noise else step
    _, state = unroll(cell, params, x, noise=Noise(step=step))
    return np.asarray(getattr(state, "c", state.h))

  none, whole = final(0.0), final(1.0)
  _, plain = unroll(cell, params, x)
  # No step adds up more than 20 numbers of about 1.
  close = dict(rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(whole, getattr(plain, "c", plain.h), **close)
  assert abs(whole - none).max() > 0.01
  mixed = none + 0.4 * (whole - none)
  np.testing.assert_allclose(final(0.4), mixed, **close)
