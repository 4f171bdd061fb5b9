"""Temporal order: Hochreiter & Schmidhuber 1997, Experiments 6a and 6b, learned
as one would now.

  python -m experiments.train --config=configs/temporal_order.py \\
      --workdir=runs/temporal_order
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.temporal_order import TemporalOrderConfig

TASKS = {
  "": TemporalOrderConfig(loss="cross_entropy", relevant=2),
  "three": TemporalOrderConfig(loss="cross_entropy", relevant=3),
  "tiny": TemporalOrderConfig(loss="cross_entropy", length=20),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant,
    TASKS,
    hidden_size=32,
    steps=6000,
    learning_rate=3e-3,
    forget_bias=3.0,
  )
