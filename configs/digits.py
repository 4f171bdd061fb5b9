"""Digits pixel by pixel (Le, Jaitly & Hinton 2015), in order or permuted.

  python -m experiments.train --config=configs/digits.py --workdir=runs/digits

The default images are scikit-learn's, 64 pixels each; for MNIST give
--config.task.source=FOLDER with its idx files.

Two cores of an Intel Xeon, shared with other work, seed 0: 97.3 % of 150
validation images after 3000 updates, 41 s with compilation. The variant
permuted has not been run.
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.digits import DigitsConfig

TASKS = {
  "": DigitsConfig(),
  "permuted": DigitsConfig(permuted=True),
  "tiny": DigitsConfig(),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant,
    TASKS,
    hidden_size=64,
    steps=3000,
    learning_rate=5e-3,
    misses=None,
  )
