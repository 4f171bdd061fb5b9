"""The embedded Reber grammar: Hochreiter & Schmidhuber 1997, Experiment 1,
learned as one would now.

  python -m experiments.train --config=configs/embedded_reber.py \\
      --workdir=runs/embedded_reber

Two cores of an Intel Xeon, shared with other work, seed 0: the rule, all 512
strings right, is met at update 100, after 25 s, most of it compilation. By
single runs on one core, the seeds 0 to 4 meet it at updates 100 to 150.
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.embedded_reber import EmbeddedReberConfig

# Cross-entropy learns the 256 strings by heart before the grammar.
TASKS = {
  "": EmbeddedReberConfig(loss="squared_error"),
  "tiny": EmbeddedReberConfig(loss="squared_error", strings=16),
}


def get_config(variant: str = "") -> Config:
  config = sequence_recipe(
    variant, TASKS, hidden_size=32, steps=2000, learning_rate=1e-2
  )
  # all of the strings, training and test
  config.train.stop.sequences = 2 * config.task.strings
  return config
