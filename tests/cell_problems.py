"""Every cell with its oracle, and small problems for them."""

import jax
import jax.numpy as jnp
import numpy as np
import reference_cells

from lstm_jax import LSTM
from lstm_jax.cells.conv_lstm import ConvLSTM
from lstm_jax.cells.greff import VARIANTS, GreffLSTM
from lstm_jax.cells.gru import GRU
from lstm_jax.cells.layer_norm import LayerNormLSTM
from lstm_jax.cells.lstm_1997 import LSTM1997
from lstm_jax.cells.matrix_lstm import MatrixLSTM
from lstm_jax.cells.matrix_lstm_block import MatrixLSTMBlock
from lstm_jax.cells.min_lstm import MinLSTM
from lstm_jax.cells.mogrifier import MogrifierLSTM
from lstm_jax.cells.multiplicative import MultiplicativeLSTM
from lstm_jax.cells.peephole import PeepholeLSTM
from lstm_jax.cells.projection import ProjectionLSTM
from lstm_jax.cells.rnn import RNN
from lstm_jax.cells.slstm import SLSTM

B, T, D, H = 3, 6, 4, 5
MASK = np.random.default_rng(7).random((B, T)) < 0.6
RESET = np.random.default_rng(8).random((B, T)) < 0.3
FLAGS = {
  "plain": {},
  "mask": {"mask": MASK},
  "reset": {"reset": RESET},
  "both": {"mask": MASK, "reset": RESET},
}
XLSTM = [SLSTM(6, heads=2), SLSTM(6, forget="exp"), MatrixLSTM(6, heads=2)]
BLOCK = MatrixLSTMBlock(4, heads=2)
CASES = {
  "lstm": (LSTM(H), reference_cells.lstm),
  "peephole": (PeepholeLSTM(H), reference_cells.peephole),
  "projection": (
    ProjectionLSTM(H, projection_size=3),
    reference_cells.projection,
  ),
  "layer_norm": (LayerNormLSTM(H), reference_cells.layer_norm),
  "multiplicative": (MultiplicativeLSTM(H), reference_cells.multiplicative),
  "mogrifier": (MogrifierLSTM(H), reference_cells.mogrifier),
  "mogrifier rank 2": (
    MogrifierLSTM(H, rounds=4, rank=2),
    reference_cells.mogrifier,
  ),
  "mogrifier biases": (
    MogrifierLSTM(H, rounds=3, round_biases=True),
    reference_cells.mogrifier,
  ),
  "mogrifier rank 2, biases": (
    MogrifierLSTM(H, rounds=2, rank=2, round_biases=True),
    reference_cells.mogrifier,
  ),
  "gru": (GRU(H), reference_cells.gru),
  # The full gradient: finite differences see nothing else.
  "lstm_1997": (
    LSTM1997(6, block_size=2, truncated=False),
    reference_cells.lstm_1997,
  ),
  "lstm_1997 wide output": (
    LSTM1997(6, block_size=2, truncated=False, wide_output=True),
    reference_cells.lstm_1997,
  ),
  "lstm_1997 logistic input": (
    LSTM1997(6, block_size=2, truncated=False, logistic_input=True),
    reference_cells.lstm_1997,
  ),
  "lstm_1997 no output gate": (
    LSTM1997(H, output_gate=False, truncated=False, biases="gates"),
    reference_cells.lstm_1997,
  ),
  "lstm_1997 not recurrent": (
    LSTM1997(6, block_size=3, recurrent=False, biases="none"),
    reference_cells.lstm_1997,
  ),
  "min_lstm": (MinLSTM(H), reference_cells.min_lstm),
  "min_lstm positive input": (
    MinLSTM(H, positive_input=True),
    reference_cells.min_lstm,
  ),
  "slstm": (SLSTM(6, heads=3), reference_cells.slstm),
  "slstm exp": (SLSTM(H, forget="exp"), reference_cells.slstm),
  "matrix_lstm": (MatrixLSTM(6, heads=2), reference_cells.matrix_lstm),
  "matrix_lstm_block": (
    MatrixLSTMBlock(4, heads=2),
    reference_cells.matrix_lstm_block,
  ),
  "conv_lstm": (ConvLSTM(2, image_size=(4, 3)), reference_cells.conv_lstm),
  "conv_lstm peepholes, even kernel": (
    ConvLSTM(2, image_size=(3, 4), kernel_size=2, peepholes=True),
    reference_cells.conv_lstm,
  ),
  "rnn": (RNN(H), reference_cells.rnn),
  "rnn relu": (RNN(H, nonlinearity="relu"), reference_cells.rnn),
} | {
  f"greff {v}": (GreffLSTM(H, variant=v), reference_cells.greff)
  for v in VARIANTS
}


def problem(cell, seed=0):
  """Random parameters of the cell's shapes, inputs and a state, in float64."""
  rng = np.random.default_rng(seed)
  params = jax.tree.map(
    lambda p: rng.standard_normal(p.shape) / 2, cell.init(jax.random.key(0), D)
  )
  state = jax.tree.map(
    lambda s: rng.standard_normal(s.shape), cell.initial_state(B)
  )
  if isinstance(cell, SLSTM):  # a sum of exponentials
    state = state._replace(n=np.abs(state.n) + 0.5)
  return params, rng.standard_normal((B, T, *pixels(cell), D)), state


def pixels(cell):
  """What lies between time and features: nothing, or rows and columns."""
  return getattr(cell, "image_size", ())


def unscaled(state):
  """The state without a stabiliser: c and n are stored divided by exp(m)."""
  if not hasattr(state, "m"):
    return state

  def unscale(a):
    m = state.m.reshape(*state.m.shape, *[1] * (a.ndim - state.m.ndim))
    return a * jnp.exp(m)

  return state._replace(c=unscale(state.c), n=unscale(state.n), m=0 * state.m)
