"""Copy memory: say again what was seen before a long pause.

  python -m experiments.train --config=configs/copy_memory.py \\
      --workdir=runs/copy_memory

Two cores of an Intel Xeon, shared with other work, seed 0: on one core, 4000
updates in 25 s gave 96.3 % of the validation steps right, where the rule asks
for all of 256 sequences. The variant long has not been run.
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.copy_memory import CopyMemoryConfig

TASKS = {
  "": CopyMemoryConfig(length=20, copied=5),
  "long": CopyMemoryConfig(length=100, copied=10),
  "tiny": CopyMemoryConfig(length=5, copied=2),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant, TASKS, hidden_size=64, steps=4000, learning_rate=5e-3
  )
