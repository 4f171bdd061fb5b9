"""The continual embedded Reber grammar: Gers, Schmidhuber & Cummins 2000,
learned as one would now.

  python -m experiments.train --config=configs/continual_reber.py \\
      --workdir=runs/continual_reber

Two cores of an Intel Xeon, shared with other work, seed 0: the rule is met at
update 150, after 41 s with compilation.
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.continual_reber import ContinualReberConfig

TASKS = {
  "": ContinualReberConfig(loss="cross_entropy", length=200),
  "tiny": ContinualReberConfig(loss="cross_entropy", length=20),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant, TASKS, hidden_size=32, steps=2000, learning_rate=1e-2
  )
