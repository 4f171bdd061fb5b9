"""Every cell against its NumPy oracle, and what relates them to each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_cells
from cell_problems import CASES, B, D, H, T, pixels, problem, unscaled
from helpers import assert_close

from lstm_jax import LSTM, Options, unroll
from lstm_jax.cells.conv_lstm import ConvLSTM
from lstm_jax.cells.greff import GreffLSTM
from lstm_jax.cells.gru import GRU
from lstm_jax.cells.matrix_lstm import MatrixLSTM
from lstm_jax.cells.matrix_lstm_block import MatrixLSTMBlock
from lstm_jax.cells.min_lstm import MinLSTM
from lstm_jax.cells.mogrifier import MogrifierLSTM
from lstm_jax.cells.multiplicative import MultiplicativeLSTM
from lstm_jax.cells.peephole import PeepholeLSTM
from lstm_jax.cells.projection import ProjectionLSTM
from lstm_jax.cells.registry import CELLS
from lstm_jax.cells.rnn import RNN
from lstm_jax.cells.slstm import SLSTM


@pytest.mark.parametrize("name", CASES)
def test_cell_equals_its_oracle(x64, name):
  """Values, and gradients against finite differences of the oracle along random
  directions in all parameters, inputs and states at once."""
  cell, step = CASES[name]
  arguments = problem(cell)
  rng = np.random.default_rng(1)
  weight = rng.standard_normal((B, T, *pixels(cell), cell.output_size))
  ends = jax.tree.map(lambda s: rng.standard_normal(s.shape), arguments[2])

  def total(y, end):
    end = unscaled(type(arguments[2])(*end))
    sums = jax.tree.map(lambda e, w: (e * w).sum(), end, ends)
    return (y * weight).sum() + sum(jax.tree.leaves(sums))

  @jax.jit
  def run(*arguments):
    def loss(params, x, state):
      y, end = unroll(cell, params, x, state, options=Options(chunk=4))
      return total(y, end), (y, end)

    return jax.grad(loss, (0, 1, 2), has_aux=True)(*arguments)

  def oracle(params, x, state):
    return reference_cells.run(step, cell, params, x, tuple(state))

  grads, (y, end) = run(*arguments)
  expected_y, expected_end = oracle(*arguments)
  assert_close(y, expected_y, 1e-13)
  assert_close(tuple(end), tuple(expected_end), 1e-13)
  for _ in range(3):
    direction = jax.tree.map(lambda a: rng.standard_normal(a.shape), arguments)
    up, down = (
      total(
        *oracle(*jax.tree.map(lambda a, d: a + s * d, arguments, direction))
      )
      for s in (1e-6, -1e-6)
    )
    slope = sum(
      (g * d).sum()
      for g, d in zip(jax.tree.leaves(grads), jax.tree.leaves(direction))
    )
    # Exact to the square of the step and to rounding / step, on sums near 100.
    assert abs((up - down) / 2e-6 - slope) < 1e-6 * max(1.0, abs(slope))


@pytest.mark.parametrize("name", ["lstm", "gru", "mogrifier", "greff FGR"])
def test_fused_gradients_equal_autodiff(x64, name):
  cell, _ = CASES[name]
  params, x, state = problem(cell)

  @functools.partial(jax.jit, static_argnums=0)
  def gradients(options, params, x):
    def loss(params, x):
      y, end = unroll(cell, params, x, state, options=options)
      return (y**2).sum() + sum((e**3).sum() for e in end)

    return jax.grad(loss, (0, 1))(params, x)

  fused = gradients(Options(memory="sqrt"), params, x)
  autodiff = gradients(Options(backward="autodiff"), params, x)
  assert_close(fused, autodiff, 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_cell_is_static_and_starts_sound(name):
  cell, _ = CASES[name]
  assert hash(cell) == hash(CASES[name][0])
  params = cell.init(jax.random.key(0), D)
  # A training step donates its buffers, and none may occur twice.
  assert len({id(p) for p in params.values()}) == len(params)
  x = jax.random.normal(jax.random.key(1), (B, 50, *pixels(cell), D))
  y, _ = unroll(cell, params, x)
  assert np.isfinite(y).all() and y.dtype == jnp.float32
  assert 1e-4 < np.abs(y).mean() < 10


def test_every_registered_cell_has_a_case():
  tested = {type(cell) for cell, _ in CASES.values()}
  assert tested == set(CELLS.values())


# Identities


def same_as_lstm(cell, params, lstm_params):
  rng = np.random.default_rng(2)
  x = rng.standard_normal((B, T, D))
  y, _ = unroll(cell, params, x)
  expected, _ = unroll(LSTM(H), lstm_params, x)
  assert_close(y, expected, 1e-14)


def test_cells_that_become_the_lstm(x64):
  lstm, _, _ = problem(LSTM(H))
  zeros = np.zeros(H)
  silent = {"p_i": zeros, "p_f": zeros, "p_o": zeros}
  same_as_lstm(PeepholeLSTM(H), lstm | silent, lstm)
  same_as_lstm(GreffLSTM(H), lstm | silent, lstm)
  same_as_lstm(GreffLSTM(H, variant="NP"), lstm, lstm)
  gates = {"w_gates": np.zeros((3 * H, 3 * H))}
  same_as_lstm(GreffLSTM(H, variant="FGR"), lstm | silent | gates, lstm)
  same_as_lstm(
    ProjectionLSTM(H, projection_size=H), lstm | {"w_r": np.eye(H)}, lstm
  )
  renamed = {f"u_{k[2:] or 'b'}": v for k, v in lstm.items()}
  same_as_lstm(MogrifierLSTM(H, rounds=0), renamed, lstm)
  # 2 sigmoid(0) = 1: rounds with zero matrices change nothing.
  zero_rounds = {"q1": np.zeros((H, D)), "q2": np.zeros((D, H))}
  same_as_lstm(MogrifierLSTM(H, rounds=2), renamed | zero_rounds, lstm)


def test_conv_lstm_of_one_pixel(x64):
  peephole, x, _ = problem(PeepholeLSTM(H))
  lstm = {name: peephole[name] for name in ("w_x", "w_h", "b")}
  conv = {
    "w_x": lstm["w_x"][None, None],
    "u_h": lstm["w_h"][None, None],
    "b": lstm["b"],
  }
  peepholes = {k: peephole[k][None, None] for k in ("p_i", "p_f", "p_o")}
  images = x[:, :, None, None]
  for params, cell, same, plain in (
    (conv, ConvLSTM(H, image_size=(1, 1), kernel_size=1), LSTM(H), lstm),
    (
      conv | peepholes,
      ConvLSTM(H, image_size=(1, 1), kernel_size=1, peepholes=True),
      PeepholeLSTM(H),
      peephole,
    ),
  ):
    y, final = unroll(cell, params, images)
    expected, end = unroll(same, plain, x)
    assert_close(y[:, :, 0, 0], expected, 1e-14)
    assert_close(jax.tree.map(lambda s: s[:, 0, 0], final), end, 1e-14)


def test_greff_without_peepholes_is_the_peephole_lstm(x64):
  params, x, state = problem(PeepholeLSTM(H))
  expected, _ = unroll(PeepholeLSTM(H), params, x)
  found, _ = unroll(GreffLSTM(H), params, x)
  assert_close(found, expected, 1e-14)


@pytest.mark.parametrize(
  "cell, count",
  [
    # From the papers' equations: g gates of (d + r + 1) h weights each.
    (LSTM(H), 4 * H * (D + H + 1)),
    (PeepholeLSTM(H), 4 * H * (D + H + 1) + 3 * H),
    (GreffLSTM(H, variant="CIFG"), 3 * H * (D + H + 1) + 2 * H),
    (GreffLSTM(H, variant="NOG"), 3 * H * (D + H + 1) + 2 * H),
    (GreffLSTM(H, variant="FGR"), 4 * H * (D + H + 1) + 3 * H + 9 * H * H),
    (ProjectionLSTM(H, projection_size=3), 4 * H * (D + 3 + 1) + 3 * H),
    (GRU(H), 3 * H * (D + H + 1) + H),
    (RNN(H), H * (D + H + 1)),
    (MinLSTM(H), 3 * H * (D + 1)),
    (
      ConvLSTM(2, image_size=(4, 3), kernel_size=5, peepholes=True),
      5 * 5 * (D + 2) * 8 + 8 + 3 * 4 * 3 * 2,
    ),
    (SLSTM(6, heads=3), 4 * 6 * (D + 2 + 1)),
    (MatrixLSTM(6, heads=2), (4 * 6 + 2 * 2) * (D + 1)),
    (MatrixLSTMBlock(D, heads=2), 6 * D * D + (39 + 12 * 2) * D + 2 * 2),
    (MultiplicativeLSTM(H), 4 * H * (D + H + 1) + H * (D + H)),
    (MogrifierLSTM(H), 4 * H * (D + H + 1) + 5 * D * H),
    (
      MogrifierLSTM(H, round_biases=True),
      4 * H * (D + H + 1) + 5 * D * H + 3 * D + 2 * H,
    ),
    (MogrifierLSTM(H, rank=2), 4 * H * (D + H + 1) + 5 * 2 * (D + H)),
  ],
  ids=str,
)
def test_parameter_counts(cell, count):
  params = cell.init(jax.random.key(0), D)
  assert sum(p.size for p in params.values()) == count


def test_unknown_choices_are_named():
  with pytest.raises(ValueError, match="variant must be one of V, NIG"):
    GreffLSTM(H, variant="XYZ")
  with pytest.raises(ValueError, match="nonlinearity must be"):
    RNN(H, nonlinearity="sin")
