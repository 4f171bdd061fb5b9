"""Two sequences: Hochreiter & Schmidhuber 1997, Experiments 3a, 3b and 3c,
learned as one would now.

  python -m experiments.train --config=configs/two_sequence.py \\
      --workdir=runs/two_sequence

With the seeds 0 to 4 and 100 to 104 every trial of all three variants meets the
rule; at a rate of 0.01 one of five does not in "signal" and in "targets".
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.two_sequence import TwoSequenceConfig

TASKS = {
  "": TwoSequenceConfig(noise="none"),
  "signal": TwoSequenceConfig(noise="signal"),
  "targets": TwoSequenceConfig(noise="targets", tolerance=0.1),
  "tiny": TwoSequenceConfig(length=20),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant,
    TASKS,
    hidden_size=16,
    steps=3000,
    forget_bias=4.0,
    misses=5 if variant == "signal" else 0,
  )
