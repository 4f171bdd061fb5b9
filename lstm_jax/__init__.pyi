"""What type checkers see of `__init__.py`, which imports names when they are
first used."""

from lstm_jax.cells.attending import (
  AttendingLSTM as AttendingLSTM,
  attention_memory as attention_memory,
)
from lstm_jax.cells.conv_lstm import ConvLSTM as ConvLSTM
from lstm_jax.cells.greff import GreffLSTM as GreffLSTM
from lstm_jax.cells.gru import GRU as GRU
from lstm_jax.cells.layer_norm import LayerNormLSTM as LayerNormLSTM
from lstm_jax.cells.lstm import LSTM as LSTM, LSTMState as LSTMState
from lstm_jax.cells.lstm_1997 import LSTM1997 as LSTM1997
from lstm_jax.cells.matrix_lstm import MatrixLSTM as MatrixLSTM
from lstm_jax.cells.matrix_lstm_block import MatrixLSTMBlock as MatrixLSTMBlock
from lstm_jax.cells.min_lstm import MinLSTM as MinLSTM
from lstm_jax.cells.mogrifier import MogrifierLSTM as MogrifierLSTM
from lstm_jax.cells.multiplicative import (
  MultiplicativeLSTM as MultiplicativeLSTM,
)
from lstm_jax.cells.peephole import PeepholeLSTM as PeepholeLSTM
from lstm_jax.cells.projection import ProjectionLSTM as ProjectionLSTM
from lstm_jax.cells.rnn import RNN as RNN
from lstm_jax.cells.slstm import SLSTM as SLSTM
from lstm_jax.layers.attention import Attention as Attention, attend as attend
from lstm_jax.layers.dropout import Dropout as Dropout, noise_keys as noise_keys
from lstm_jax.layers.heads import Head as Head
from lstm_jax.layers.pooling import (
  AttentionPooling as AttentionPooling,
  pool as pool,
)
from lstm_jax.layers.stack import Stack as Stack
from lstm_jax.models.encoder_decoder import EncoderDecoder as EncoderDecoder
from lstm_jax.models.language_model import LanguageModel as LanguageModel
from lstm_jax.models.sequence_model import SequenceModel as SequenceModel
from lstm_jax.recurrence.directions import bidirectional as bidirectional
from lstm_jax.recurrence.scan import Noise as Noise
from lstm_jax.recurrence.unroll import (
  Options as Options,
  length_mask as length_mask,
  unroll as unroll,
)
from lstm_jax.run.load import load_run as load_run
from lstm_jax.run.runs import read_runs as read_runs

__version__: str
