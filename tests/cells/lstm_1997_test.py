"""The 1997 cell: truncation, the carousel, the paper's numbers of weights."""

import functools

import jax
import numpy as np
import pytest
import reference_cells
from cell_problems import B, D, T, problem
from helpers import assert_close

from lstm_jax import Options, unroll
from lstm_jax.cells.lstm_1997 import LSTM1997


def test_the_gradient_of_1997_is_truncated(x64):
  """The gradient of the same function with r_t held constant."""
  cell = LSTM1997(6, block_size=2)
  params, x, state = problem(cell)
  rng = np.random.default_rng(1)
  weight = rng.standard_normal((B, T, 6))

  def oracle(params, held=None):
    s, rs, total = tuple(state), [], 0.0
    for t in range(T):
      rs.append(np.concatenate([s[0], s[2]], 1))
      r = None if held is None else held[t]
      s = reference_cells.lstm_1997(params, x[:, t], s, cell, r)
      total += (s[0] * weight[:, t]).sum()
    return total, rs

  def loss(params, backward):
    options = Options(backward=backward)
    return (unroll(cell, params, x, state, options=options)[0] * weight).sum()

  total, held = oracle(params)
  for backward in ("fused", "autodiff"):
    value, grads = jax.value_and_grad(loss)(params, backward)
    assert_close(value, total, 1e-13)
    direction = {k: rng.standard_normal(p.shape) for k, p in params.items()}
    up, down = (
      oracle({k: p + s * direction[k] for k, p in params.items()}, held)[0]
      for s in (1e-6, -1e-6)
    )
    slope = sum((grads[k] * direction[k]).sum() for k in params)
    assert abs((up - down) / 2e-6 - slope) < 1e-6 * max(1.0, abs(slope))


@pytest.mark.parametrize("backward", ["fused", "autodiff"])
def test_the_carousel_is_exactly_flat(backward):
  """d c_T / d c_t = 1 at every lag, to the last bit."""
  cell = LSTM1997(6, block_size=2)
  params = cell.init(jax.random.key(0), D)
  x = jax.random.normal(jax.random.key(1), (B, 200, D))
  options = Options(backward=backward)

  @functools.partial(jax.jit, static_argnums=1)
  def sensitivity(state, lag, unit):
    def end(state):
      _, final = unroll(cell, params, x[:, :lag], state, options=options)
      return final.c[:, unit].sum()

    return jax.grad(end)(state)

  for lag in (1, 2, 200):
    for unit in range(6):
      found = sensitivity(cell.initial_state(B), lag, unit)
      expected = np.broadcast_to(np.eye(6)[unit], (B, 6))
      np.testing.assert_array_equal(found.c, expected)
      np.testing.assert_array_equal(found.h, 0.0)
      np.testing.assert_array_equal(found.gates, 0.0)


def test_the_full_gradient_is_not_flat():
  cell = LSTM1997(6, block_size=2, truncated=False, init_scale=1.0)
  params = cell.init(jax.random.key(0), D)
  x = jax.random.normal(jax.random.key(1), (B, T, D))
  state = cell.initial_state(B)
  found = jax.grad(lambda s: unroll(cell, params, x, s)[1].c.sum())(state)
  assert np.abs(found.c - 1).max() > 1e-3


@pytest.mark.parametrize(
  "cell, inputs, output_layer, total",
  [
    # Experiment 1: gate biases only; 7 outputs see the cells.
    (LSTM1997(4, biases="gates"), 7, 4 * 7, 264),
    (LSTM1997(6, block_size=2, biases="gates"), 7, 6 * 7, 276),
    # 2a: 101 outputs see the inputs and the cell; no biases.
    (
      LSTM1997(1, output_gate=False, recurrent=False, biases="none"),
      101,
      101 * (101 + 1),
      10504,
    ),
    # 2c with p = 50, 100, 200, 500, 1000: p + 4 inputs, 2 outputs, no biases.
    *(
      (LSTM1997(2, biases="none"), p + 4, 2 * 2, total)
      for p, total in (
        (50, 364),
        (100, 664),
        (200, 1264),
        (500, 3064),
        (1000, 6064),
      )
    ),
    # 3: all but the output has a bias.
    (LSTM1997(3), 1, 1 * 3, 102),
    # 4 and 5, 6a, 6b: the outputs have one too.
    (LSTM1997(4, block_size=2), 2, 1 * (4 + 1), 93),
    (LSTM1997(4, block_size=2), 8, 4 * (4 + 1), 156),
    (LSTM1997(6, block_size=2), 8, 8 * (6 + 1), 308),
  ],
)
def test_weight_counts_of_1997(cell, inputs, output_layer, total):
  params = cell.init(jax.random.key(0), inputs)
  assert sum(p.size for p in params.values()) + output_layer == total


def test_initial_parameters_of_1997():
  cell = LSTM1997(
    8, block_size=2, input_gate_biases=(-3.0, -6.0), init_scale=0.2
  )
  params = cell.init(jax.random.key(0), 50)
  np.testing.assert_array_equal(params["b"][:4], [-3, -6, -3, -6])
  for drawn in (params["w_x"], params["w_h"], params["b"][4:]):
    assert np.abs(drawn).max() <= 0.2
    assert np.abs(drawn).max() > 0.15 and np.std(drawn) > 0.05
  cell = LSTM1997(4, output_gate_biases=(-1.0, -2.0, -3.0), biases="gates")
  b = cell.init(jax.random.key(0), 3)["b"]
  assert b.shape == (8,)
  np.testing.assert_array_equal(b[4:], [-1, -2, -3, -1])


def test_wrong_options_of_1997_are_named():
  with pytest.raises(ValueError, match="5 must be a multiple of block_size 2"):
    LSTM1997(5, block_size=2)
  with pytest.raises(ValueError, match="biases must be one of none, gates"):
    LSTM1997(4, biases="some")
  with pytest.raises(ValueError, match="output gates without biases"):
    LSTM1997(4, output_gate=False, output_gate_biases=(-1.0,))
  with pytest.raises(ValueError, match="input gates without biases"):
    LSTM1997(4, biases="none", input_gate_biases=(-1.0,))
