"""Multi-query associative recall (Arora et al. 2023): which value came with
this key?

  python -m experiments.train --config=configs/associative_recall.py \\
      --workdir=runs/associative_recall

Two cores of an Intel Xeon, shared with other work, seed 0: on one core, 4000
updates in 54 s gave 54 % of the validation answers right: this recipe has not
learned the task. The variant long has not been run.
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.associative_recall import AssociativeRecallConfig

TASKS = {
  "": AssociativeRecallConfig(length=12, pairs=2, queries=2, vocabulary=16),
  "long": AssociativeRecallConfig(
    length=64, pairs=4, queries=4, vocabulary=256
  ),
  "tiny": AssociativeRecallConfig(length=8, pairs=2, queries=2, vocabulary=8),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant, TASKS, hidden_size=64, steps=4000, learning_rate=5e-3
  )
