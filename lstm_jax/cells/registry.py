"""The cells a config can name. A config file may add its own to them, before it
makes its config:

    CELLS["mine"] = Mine  # a dataclass as `cells/base.py` says
"""

from lstm_jax.cells.conv_lstm import ConvLSTM
from lstm_jax.cells.greff import GreffLSTM
from lstm_jax.cells.gru import GRU
from lstm_jax.cells.layer_norm import LayerNormLSTM
from lstm_jax.cells.lstm import LSTM
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

CELLS: dict[str, type] = {
  "lstm": LSTM,
  "peephole": PeepholeLSTM,
  "greff": GreffLSTM,
  "projection": ProjectionLSTM,
  "layer_norm": LayerNormLSTM,
  "multiplicative": MultiplicativeLSTM,
  "mogrifier": MogrifierLSTM,
  "lstm_1997": LSTM1997,
  "min_lstm": MinLSTM,
  "slstm": SLSTM,
  "matrix_lstm": MatrixLSTM,
  "matrix_lstm_block": MatrixLSTMBlock,
  "gru": GRU,
  "rnn": RNN,
  "conv_lstm": ConvLSTM,  # which takes images
}
