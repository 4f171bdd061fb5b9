"""Piano rolls of random notes, and their .mat file."""

import numpy as np
from scipy.io import savemat

from lstm_jax.tasks.piano_rolls import KEYS

LENGTHS = {"train": (5, 2, 9), "valid": (4,), "test": (7, 11)}


def fake_rolls():
  draw = np.random.default_rng(0)
  return {
    split: [draw.integers(0, 2, (n, KEYS), np.uint8) for n in lengths]
    for split, lengths in LENGTHS.items()
  }


def save_rolls(path, rolls):
  columns = {}
  for split, sequences in rolls.items():
    cell = np.empty((1, len(sequences)), object)
    for number, roll in enumerate(sequences):
      cell[0, number] = roll
    columns[f"{split}data"] = cell
  savemat(path, columns)
  return str(path)
