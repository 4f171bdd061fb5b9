"""Three cells, each with a learning rate of its own, and three seeds.

  python -m experiments.sweep --config=configs/adding.py \\
      --sweep=configs/sweeps/cells.py --workdir=runs/cells
"""

from lstm_jax.config.sweeps import Point, grid, zip_


def get_sweep() -> list[Point]:
  pairs = zip_(
    {
      "model.cell": ["lstm", "peephole", "layer_norm"],
      "optimizer.learning_rate": [3e-3, 3e-3, 1e-2],
    }
  )
  return grid(pairs, {"train.seed": range(3)})
