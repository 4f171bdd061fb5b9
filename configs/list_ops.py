"""ListOps (Nangia & Bowman 2018), expressions of up to 100 symbols.

  python -m experiments.train --config=configs/list_ops.py \\
      --workdir=runs/list_ops

Two cores of an Intel Xeon, shared with other work, seed 0: 58 % of the
validation expressions right after 3000 updates, 91 s with compilation. The
variant arena has not been run.
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
