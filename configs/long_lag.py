"""Long lag: Hochreiter & Schmidhuber 1997, Experiments 2a, 2b and 2c, learned
as one would now.

  python -m experiments.train --config=configs/long_lag.py \\
      --workdir=runs/long_lag

Two cores of an Intel Xeon, shared with other work, seed 0: the rule is met at
update 600, after 56 s with compilation. By single runs on one core, the seeds 0
to 4 meet it at updates 550 to 750, and those of the variant geometric at
updates 150 to 250.
"""

import functools

from configs._recipes import sequence_recipe
from lstm_jax.config import Config
from lstm_jax.tasks.long_lag import LongLagConfig

make = functools.partial(LongLagConfig, loss="cross_entropy")
TASKS = {
  "": make(variant="noise_free", symbols=100, last_weight=100.0),
  "random": make(variant="random", symbols=100, last_weight=100.0),
  "geometric": make(variant="geometric", symbols=100, lag=100),
  "tiny": make(symbols=10),
}


def get_config(variant: str = "") -> Config:
  return sequence_recipe(
    variant,
    TASKS,
    hidden_size=32,
    steps=3000,
    learning_rate=1e-3 if variant == "geometric" else 3e-3,
    forget_bias=5.0,
  )
