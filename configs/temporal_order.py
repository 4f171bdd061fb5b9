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
    hidden_size=16,
    steps=3000,
    learning_rate=1e-2,
    forget_bias=4.0,
    batch_size=64,
  )
