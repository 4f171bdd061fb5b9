"""The cells a config can name."""

from lstm_jax.cells.lstm import LSTM

CELLS = {"lstm": LSTM}
