"""Gradients against lag: an independent backward pass, and what theory says."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import run_main

from experiments import gradient_flow as command
from lstm_jax.cells import initializers
from lstm_jax.cells.gru import GRU
from lstm_jax.cells.lstm import LSTM
from lstm_jax.cells.lstm_1997 import LSTM1997
from lstm_jax.cells.min_lstm import MinLSTM
from lstm_jax.cells.rnn import RNN
from lstm_jax.cells.slstm import SLSTM
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.gradient_flow import (
  gradients_by_lag,
  lag_below,
  log10_norm,
  slope,
)
from lstm_jax.recurrence.unroll import unroll

_T, _H = 60, 16


def in_float64(params):
  return jax.tree.map(lambda a: a.astype(jnp.float64), params)


def small(key, params, scale):
  """U(±scale) in place of every parameter but the biases."""
  keys = jax.random.split(key, len(params))
  return {
    name: value
    if name == "b"
    else jax.random.uniform(k, value.shape, jnp.float64, -scale, scale)
    for k, (name, value) in zip(keys, sorted(in_float64(params).items()))
  }


def draw_like(key, tree):
  leaves, structure = jax.tree.flatten(tree)
  keys = jax.random.split(key, len(leaves))
  return structure.unflatten(
    [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves)]
  )


@pytest.mark.parametrize(
  "cell",
  [
    LSTM(4),
    LSTM1997(4, block_size=2, truncated=False),
    *(
      pytest.param(cell, marks=pytest.mark.slow)
      for cell in (GRU(4), MinLSTM(4), SLSTM(4))
    ),
  ],
  ids=lambda cell: type(cell).__name__,
)
def test_each_lag_is_the_gradient_of_the_state_there(x64, cell):
  """Cutting the sequence and differentiating the rest with respect to the state
  at the cut is another backward pass."""
  time, lag = 6, 4
  params = in_float64(cell.init(jax.random.key(0), 3))
  x = jax.random.normal(jax.random.key(1), (2, time, 3), jnp.float64)
  initial = cell.initial_state(2, jnp.float64)
  dstate = draw_like(jax.random.key(2), initial)
  found = gradients_by_lag(cell, params, x, dstate)

  @jax.jit
  def gradient_at_the_cut(params, x):
    _, cut = unroll(cell, params, x[:, : time - lag])
    _, vjp = jax.vjp(
      lambda s: unroll(cell, params, x[:, time - lag :], s)[1], cut
    )
    return vjp(dstate)[0]

  expected = gradient_at_the_cut(params, x)
  for a, b, last in zip(*map(jax.tree.leaves, (found, expected, dstate))):
    assert a.shape == (2, time, *b.shape[1:])
    np.testing.assert_allclose(a[:, lag], b, rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(a[:, 0], last)


def curve(cell, params, x, part):
  """log10 norm against lag with all of dL/dstate in one part of the state."""
  state = cell.initial_state(x.shape[0], jnp.float64)
  dstate = state._replace(
    **{part: jax.random.normal(jax.random.key(7), (x.shape[0], _H))}
  )
  gradients = gradients_by_lag(cell, params, x, dstate)
  return np.asarray(log10_norm(getattr(gradients, part)))[0]


@pytest.mark.parametrize("bias", [0, 1, 2, 3, 5])
def test_the_forget_gate_sets_the_slope(x64, bias):
  """log10 sigmoid(b) decades a step along c, where the weights are tiny."""
  cell = LSTM(_H, forget_bias=float(bias))
  params = small(jax.random.key(0), cell.init(jax.random.key(0), 2), 1e-3)
  norms = curve(cell, params, jnp.zeros((1, _T, 2)), "c")
  expected = np.log10(1 / (1 + np.exp(-bias)))
  assert slope(norms) == pytest.approx(expected, rel=0.05)


def test_the_carousel_is_exactly_flat(x64):
  cell = LSTM1997(_H, block_size=2)
  params = in_float64(cell.init(jax.random.key(0), 2))
  x = jax.random.normal(jax.random.key(1), (1, _T, 2), jnp.float64)
  norms = curve(cell, params, x, "c")
  np.testing.assert_array_equal(norms, norms[0])
  whole = curve(LSTM1997(_H, block_size=2, truncated=False), params, x, "c")
  # from the second lag on, c reaches the gates through h
  assert (whole[2:] != norms[2:]).all()


def test_the_simple_network_forgets(x64):
  """U(±1/sqrt h) has a spectral radius near 1/sqrt 3, -0.24 decades a step; 16
  units scatter around it, and the median of 9 networks does not."""
  slopes = []
  for seed in range(9):
    cell = RNN(_H)
    params = cell.init(jax.random.key(seed), 2)
    params = small(jax.random.key(seed), params, _H**-0.5)
    slopes.append(slope(curve(cell, params, jnp.zeros((1, _T, 2)), "h")))
  assert np.median(slopes) <= -0.2


def test_each_unit_has_its_own_time_scale(x64):
  """f^k, where chrono biases are all there is."""
  cell = LSTM(_H)
  b = initializers.chrono_biases(jax.random.key(0), _H, 200.0)
  params = {
    "w_x": jnp.zeros((2, 4 * _H)),
    "w_h": jnp.zeros((_H, 4 * _H)),
    "b": b.astype(jnp.float64),
  }
  one = cell.initial_state(1, jnp.float64)._replace(c=jnp.ones((1, _H)))
  gradient = gradients_by_lag(cell, params, jnp.zeros((1, _T, 2)), one)
  f = 1 / (1 + np.exp(-np.asarray(params["b"])[_H : 2 * _H]))
  np.testing.assert_allclose(
    gradient.c[0], f ** np.arange(_T)[:, None], rtol=1e-12
  )


def test_norms_too_small_to_square():
  a = jnp.array([[3e-30, 4e-30], [0.0, 0.0], [3.0, -4.0]])
  norms = np.asarray(log10_norm(a))
  np.testing.assert_allclose(norms[[0, 2]], np.log10([5e-30, 5.0]), rtol=1e-5)
  assert norms[1] == -np.inf


def test_slope_and_lag():
  lags = np.arange(20)
  assert slope(-0.5 * lags) == pytest.approx(-0.5)
  gone = np.where(lags < 10, -0.5 * lags, -np.inf)
  assert slope(gone) == pytest.approx(-0.5)
  assert slope(np.full(20, -np.inf)) is None
  assert lag_below(-0.5 * lags) == 13
  assert lag_below(-0.1 * lags) is None


# the command


def test_every_lstm_starts_with_the_bias_that_its_name_says():
  for name, _, init in command.networks(4, 8):
    params = init(jax.random.key(0))
    assert params["w_h"].shape[-2] == 4 or "1997" in name
    if "b_f" in name:
      bias = float(name.rsplit(" ", 1)[1])
      np.testing.assert_array_equal(params["b"][4:8], bias)


def test_the_command(tmp_path, capsys, monkeypatch):
  made = command.networks(3, 8)
  chosen = [made[0], made[-1]]  # each takes seconds to compile
  monkeypatch.setattr(command, "networks", lambda *sizes: chosen)
  words = ["--seeds=2", "--length=8", "--hidden=3", "--steps=0,2"]
  printed = run_main(command, capsys, f"--output={tmp_path}/a", *words)
  assert re.search(r"^RNN, U\(±1/√h\) +0 ", printed, re.M), printed
  assert re.search(r"^LSTM of 1997 +2 ", printed, re.M), printed
  assert (tmp_path / "a/gradient_flow.png").stat().st_size > 10_000
  text = (tmp_path / "a/gradient_flow.json").read_text()
  rows = json.loads(text, parse_constant=pytest.fail)["rows"]
  assert len(rows) == 2 * (1 + 2)  # at two steps h, and h and c
  for row in rows:
    assert len(row["median"]) == 8
    if row["part"] == "h":
      assert row["median"][0] == pytest.approx(0, abs=1e-6)
    if "1997" in row["network"]:
      kept = [value for value in row["median"] if value is not None]
      assert len(set(kept)) == 1  # truncated: h at T alone; c is flat


@pytest.mark.parametrize(
  "words, message",
  [
    ([], "--output is missing"),
    (["--output=x", "--seeds=0"], "--seeds"),
    (["--output=x", "--steps=1,0"], "must be increasing numbers of updates"),
    (["--output=x", "--steps=a"], "as 0,500,1000; got 'a'"),
    (["--output=x", "--steps=-1"], "--steps"),
    (["--output=x", "--steps="], "--steps"),
  ],
)
def test_wrong_commands(words, message):
  with pytest.raises(ConfigError) as error:
    command.main(["gradient_flow", *words])
  assert message in str(error.value) and "\n" not in str(error.value)


def test_two_marks_and_their_sum():
  x, target = command.adding(jax.random.key(0), 500, 11)
  values, marks = np.moveaxis(np.asarray(x), -1, 0)
  np.testing.assert_array_equal(marks[:, :5].sum(1), 1)
  np.testing.assert_array_equal(marks[:, 5:].sum(1), 1)
  np.testing.assert_allclose(target, (values * marks).sum(1), rtol=1e-6)
  assert (marks.sum(0) > 0).all()
