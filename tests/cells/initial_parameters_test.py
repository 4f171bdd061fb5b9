"""What a cell starts from."""

import jax
import numpy as np
import pytest
from cell_problems import D, H

from lstm_jax import LSTM
from lstm_jax.cells.greff import GreffLSTM
from lstm_jax.cells.initializers import chrono_biases
from lstm_jax.cells.peephole import PeepholeLSTM
from lstm_jax.cells.rnn import RNN


def test_lstm_initial_parameters():
  params = LSTM(hidden_size=6, forget_bias=2.0).init(jax.random.key(0), 4)
  biases = np.asarray(params["b"]).reshape(4, 6)
  np.testing.assert_array_equal(biases[1], 2.0)
  np.testing.assert_array_equal(biases[[0, 2, 3]], 0.0)
  for gate in np.split(np.asarray(params["w_h"]), 4, axis=1):
    np.testing.assert_allclose(gate @ gate.T, np.eye(6), atol=1e-5)
  assert np.abs(params["w_x"]).max() <= (3 / 4) ** 0.5
  assert np.abs(params["w_x"]).max() > 0.9 * (3 / 4) ** 0.5


@pytest.mark.parametrize("variant", ["NIG", "V", "CIFG", "NOG"])
def test_the_forget_bias_is_the_forget_gates(variant):
  """What is left of b when gates are taken out."""
  cell = GreffLSTM(H, variant=variant, forget_bias=3.0)
  biases = np.asarray(cell.init(jax.random.key(0), D)["b"]).reshape(-1, H)
  expected = {"NIG": [3, 0, 0], "V": [0, 3, 0, 0]}.get(variant)
  if variant == "CIFG":  # the forget gate has no bias of its own
    expected = [0, 0, 0]
  if variant == "NOG":
    expected = [0, 3, 0]
  np.testing.assert_array_equal(biases[:, 0], expected)


def test_the_irnn_starts_as_the_identity():
  params = RNN(50, nonlinearity="relu", identity=True).init(
    jax.random.key(0), 40
  )
  np.testing.assert_array_equal(params["w_h"], np.eye(50))
  assert 0.0009 < np.std(params["w_x"]) < 0.0011  # 2000 draws
  np.testing.assert_array_equal(params["b"], 0.0)


def test_chrono_biases():
  b = np.asarray(chrono_biases(jax.random.key(0), 4000, 100.0)).reshape(4, -1)
  np.testing.assert_array_equal(b[0], -b[1])
  np.testing.assert_array_equal(b[2:], 0.0)
  assert np.exp(b[1]).min() >= 0.99 and np.exp(b[1]).max() <= 99.01
  # U(1, 99): mean 50, standard deviation of the mean of 4000 draws 0.45.
  assert abs(np.exp(b[1]).mean() - 50) < 2


@pytest.mark.parametrize("kind", [LSTM, PeepholeLSTM])
def test_a_cell_with_chrono_biases(kind):
  plain, chrono = (
    kind(H, **options).init(jax.random.key(0), D)
    for options in ({}, {"chrono": 50.0})
  )
  i, f, g, o = np.asarray(chrono.pop("b")).reshape(4, H)
  assert plain.pop("b").shape == (4 * H,)
  np.testing.assert_array_equal(i, -f)
  assert f.min() >= 0 and np.exp(f).max() <= 49.01 and np.unique(f).size == H
  assert not g.any() and not o.any()
  for name, value in plain.items():  # the other weights are as without
    np.testing.assert_array_equal(value, chrono[name])


@pytest.mark.parametrize(
  "options, message",
  [
    ({"chrono": 2.0}, "above 2, got 2"),
    ({"chrono": 9.0, "forget_bias": 2.0}, "leave forget_bias at 1"),
  ],
)
def test_chrono_values_that_make_no_sense(options, message):
  with pytest.raises(ValueError, match=message):
    LSTM(H, **options)
