"""lstm_jax: LSTM research in JAX. Names are imported when first used."""

import importlib

__version__ = "0.1.0"

_HOMES = {
  "LSTM": "lstm_jax.cells.lstm",
  "LSTMState": "lstm_jax.cells.lstm",
  "Noise": "lstm_jax.scan",
  "Options": "lstm_jax.recurrence",
  "bidirectional": "lstm_jax.recurrence",
  "length_mask": "lstm_jax.recurrence",
  "load_run": "lstm_jax.trained_run",
  "read_runs": "lstm_jax.runs",
  "unroll": "lstm_jax.recurrence",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
  if name not in _HOMES:
    raise AttributeError(f'module "lstm_jax" has no attribute "{name}"')
  return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
  return __all__
