"""Long lag: Hochreiter & Schmidhuber 1997, Experiments 2a, 2b and 2c, learned
as one would now.

  python -m experiments.train --config=configs/long_lag.py \\
      --workdir=runs/long_lag
"""

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.long_lag import LongLagConfig

TASKS = {
  "": LongLagConfig(loss="cross_entropy", variant="noise_free", symbols=100),
  "random": LongLagConfig(loss="cross_entropy", variant="random", symbols=100),
  "geometric": LongLagConfig(
    loss="cross_entropy", variant="geometric", lag=100, symbols=100
  ),
  "tiny": LongLagConfig(loss="cross_entropy", symbols=10),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant, TASKS, hidden_size=16, steps=10_000, learning_rate=1e-2
  )
