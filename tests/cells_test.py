"""Initial parameters and states of the cells."""

import jax
import numpy as np

from lstm_jax import LSTM
from lstm_jax.cells.registry import CELLS


def test_lstm_initial_parameters():
  params = LSTM(hidden_size=6, forget_bias=2.0).init(jax.random.key(0), 4)
  assert {k: v.shape for k, v in params.items()} == {
    "w_x": (4, 24),
    "w_h": (6, 24),
    "b": (24,),
  }
  biases = np.asarray(params["b"]).reshape(4, 6)
  np.testing.assert_array_equal(biases[1], 2.0)
  np.testing.assert_array_equal(biases[[0, 2, 3]], 0.0)
  for gate in np.split(np.asarray(params["w_h"]), 4, axis=1):
    np.testing.assert_allclose(gate @ gate.T, np.eye(6), atol=1e-5)
  assert np.abs(params["w_x"]).max() <= (3 / 4) ** 0.5
  assert np.abs(params["w_x"]).max() > 0.9 * (3 / 4) ** 0.5


def test_every_cell_is_a_static_argument():
  for make in CELLS.values():
    assert hash(make(hidden_size=3)) == hash(make(hidden_size=3))
    assert make(hidden_size=3) != make(hidden_size=4)
