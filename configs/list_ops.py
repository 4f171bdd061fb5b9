"""ListOps (Nangia & Bowman 2018), expressions of up to 100 symbols.

  python -m experiments.train --config=configs/list_ops.py \\
      --workdir=runs/list_ops
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.list_ops import ListOpsConfig

TASKS = {
  "": ListOpsConfig(length=50),
  "arena": ListOpsConfig(length=1999, shortest=501, training_sequences=96_000),
  "tiny": ListOpsConfig(length=20, training_sequences=64),
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
