"""lstm_jax: LSTM research in JAX. Names are imported when first used."""

import importlib

__version__ = "0.1.0"

_NAMES = {  # of each module, its public names, which __init__.pyi has too
  "cells.attending": ("AttendingLSTM", "attention_memory"),
  "cells.conv_lstm": ("ConvLSTM",),
  "cells.greff": ("GreffLSTM",),
  "cells.gru": ("GRU",),
  "cells.layer_norm": ("LayerNormLSTM",),
  "cells.lstm": ("LSTM", "LSTMState"),
  "cells.lstm_1997": ("LSTM1997",),
  "cells.matrix_lstm": ("MatrixLSTM",),
  "cells.matrix_lstm_block": ("MatrixLSTMBlock",),
  "cells.min_lstm": ("MinLSTM",),
  "cells.mogrifier": ("MogrifierLSTM",),
  "cells.multiplicative": ("MultiplicativeLSTM",),
  "cells.peephole": ("PeepholeLSTM",),
  "cells.projection": ("ProjectionLSTM",),
  "cells.rnn": ("RNN",),
  "cells.slstm": ("SLSTM",),
  "layers.attention": ("Attention", "attend"),
  "layers.dropout": ("Dropout", "noise_keys"),
  "layers.heads": ("Head",),
  "layers.pooling": ("AttentionPooling", "pool"),
  "layers.stack": ("Stack",),
  "models.encoder_decoder": ("EncoderDecoder",),
  "models.language_model": ("LanguageModel",),
  "models.sequence_model": ("SequenceModel",),
  "recurrence.scan": ("Noise",),
  "recurrence.directions": ("bidirectional",),
  "recurrence.unroll": ("Options", "length_mask", "unroll"),
  "run.runs": ("read_runs",),
  "run.load": ("load_run",),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}
__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
  if name not in _HOMES:
    from lstm_jax.errors import suggest

    case = [known for known in __all__ if known.lower() == name.lower()]
    hint = suggest(case[0] if case else name, __all__)
    raise AttributeError(f'module "lstm_jax" has no attribute "{name}"{hint}')
  return getattr(importlib.import_module(f"lstm_jax.{_HOMES[name]}"), name)


def __dir__():
  return __all__
