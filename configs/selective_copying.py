"""Selective copying: say again the symbols that lay among blanks.

  python -m experiments.train --config=configs/selective_copying.py \\
      --workdir=runs/selective_copying
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.selective_copying import SelectiveCopyingConfig

TASKS = {
  "": SelectiveCopyingConfig(length=32, symbols=8, copied=4),
  "long": SelectiveCopyingConfig(length=256, symbols=14, copied=16),
  "tiny": SelectiveCopyingConfig(length=8, symbols=4, copied=2),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant, TASKS, hidden_size=64, steps=4000, learning_rate=5e-3
  )
