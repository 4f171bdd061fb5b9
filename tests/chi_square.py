"""Do counts fit probabilities?"""

import numpy as np


def fits(counts, probabilities=None) -> bool:
  """Pearson's test; uniform probabilities unless given.

  The bound is the chi-square quantile at five standard deviations of a normal
  variable (Wilson & Hilferty 1931), so a right program fails with a chance of
  about 3e-7; cells must expect a few counts for that.
  """
  counts = np.asarray(counts, float)
  if probabilities is None:
    probabilities = np.full(counts.size, 1 / counts.size)
  probabilities = np.asarray(probabilities, float)
  expected = counts.sum() * probabilities / probabilities.sum()
  assert expected.min() > 5 and counts.shape == expected.shape
  statistic = np.sum((counts - expected) ** 2 / expected)
  d = 2 / (9 * (counts.size - 1))
  return statistic < (counts.size - 1) * (1 - d + 5 * np.sqrt(d)) ** 3
