"""Adding: a search space of 20 points.

  python -m experiments.sweep --config=configs/adding.py \\
      --sweep=configs/sweeps/adding_search.py --workdir=runs/adding_search \\
      --launcher=optuna

--launcher=local takes 20 points of it at random. Optuna is in the extra
`sweep`: pip install optuna.
"""

from lstm_jax.config.sweeps import Choice, Integers, SearchSpace, Uniform


def get_sweep() -> SearchSpace:
  return SearchSpace(
    {
      "optimizer.learning_rate": Uniform(1e-4, 1e-1, log=True),
      "optimizer.clip_norm": Uniform(0.1, 10.0, log=True),
      "model.hidden_sizes": Choice(((16,), (32,), (64,))),
      "model.options.forget_bias": Integers(0, 5),
    },
    trials=20,
  )
