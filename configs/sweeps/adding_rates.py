"""Adding: learning rates with three seeds each.

  python -m experiments.sweep --config=configs/adding.py \\
      --sweep=configs/sweeps/adding_rates.py --workdir=runs/adding_rates

With --launcher=vmap all twelve are one program.
"""

from lstm_jax.config.sweeps import Point, grid


def get_sweep() -> list[Point]:
  return grid(
    {
      "optimizer.learning_rate": [1e-3, 3e-3, 1e-2, 3e-2],
      "train.seed": range(3),
    }
  )
