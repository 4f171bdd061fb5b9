"""Counting: a^n b^n and a^n b^n c^n of Gers & Schmidhuber 2001, learned as one
would now.

  python -m experiments.train --config=configs/counting.py \\
      --workdir=runs/counting

Two cores of an Intel Xeon, shared with other work, seed 0: the rule is met at
update 700, after 38 s with compilation.
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.counting import CountingConfig

TASKS = {
  "": CountingConfig(loss="binary", letters=2, largest=30),
  "three": CountingConfig(loss="binary", letters=3, largest=30),
  "tiny": CountingConfig(loss="binary", letters=2, largest=5),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant, TASKS, hidden_size=16, steps=5000, learning_rate=1e-2
  )
