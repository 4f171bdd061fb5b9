"""The tasks of "Long Short-Term Memory" as one would learn them now.

Hochreiter & Schmidhuber 1997 with forget gates, Adam and batches of 32: the
configs of the single tasks, each with several trials. A variant is the number
of an experiment:

  python -m experiments.train --config=configs/modern_1997.py:6a \\
      --workdir=runs/modern-6a

The paper's own setting is in configs/hochreiter_1997.py.
"""

from configs import (
  adding,
  embedded_reber,
  long_lag,
  multiplication,
  temporal_order,
  two_sequence,
)
from lstm_jax.config import Config
from lstm_jax.errors import ConfigError

# the config file and its variant
VARIANTS = {
  "1": (embedded_reber, ""),
  "2a": (long_lag, ""),
  "2b": (long_lag, "random"),
  "2c": (long_lag, "geometric"),
  "3a": (two_sequence, ""),
  "3b": (two_sequence, "signal"),
  "3c": (two_sequence, "targets"),
  "4": (adding, ""),
  "5": (multiplication, ""),
  "6a": (temporal_order, ""),
  "6b": (temporal_order, "three"),
  "tiny": (temporal_order, "tiny"),
}


def get_config(variant: str = "6a") -> Config:
  if variant not in VARIANTS:
    raise ConfigError(
      f'no variant "{variant}"; there are {", ".join(VARIANTS)}'
    )
  module, name = VARIANTS[variant]
  config = module.get_config(name)
  config.train.trials = {"2a": 10, "tiny": 2}.get(variant, 5)
  return config
