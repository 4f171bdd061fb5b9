"""Adding and multiplication: values, markers and targets."""

import numpy as np
import pytest
from task_checks import (
  assert_asked_at_the_end,
  assert_distribution,
  assert_uniform,
  assert_uniform_reals,
  at_the_end,
  samples,
)

from lstm_jax.errors import ConfigError
from lstm_jax.tasks.adding import AddingConfig
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.multiplication import MultiplicationConfig

COUNT = 20_000


def marked(examples):
  """Values of the pairs with marker 1, a list for each sequence."""
  return [
    v[(m == 1) & mask]
    for (v, m), mask in zip(examples.inputs.transpose(0, 2, 1), examples.mask)
  ]


@pytest.mark.parametrize(
  "config, low, target",
  [
    (AddingConfig(), -1, lambda x: 0.5 + sum(x) / 4),
    (MultiplicationConfig(), 0, lambda x: np.prod(x)),
  ],
)
def test_pairs_of_1997(config, low, target):
  examples = samples(config, COUNT)
  lengths = assert_asked_at_the_end(examples, 100, 110)
  value, marker = examples.inputs.transpose(2, 0, 1)
  assert_uniform_reals(value[examples.mask], low, 1)
  assert (marker[:, 0] == -1).all()
  assert (at_the_end(marker, lengths) == -1).all()
  middle = marker.copy()
  middle[:, 0] = middle[np.arange(COUNT), lengths - 1] = 0
  assert set(np.unique(middle)) == {0, 1}
  # A pair is marked twice at most, but for the first, whose mark is hidden.
  x = marked(examples)
  assert set(map(len, x)) == {1, 2}
  # Its value counts as nothing: 0 in a sum, 1 in a product.
  np.testing.assert_allclose(
    at_the_end(examples.targets, lengths)[:, 0],
    [target(pair) for pair in x],
    atol=1e-6,
  )


def test_places_of_1997():
  """X1 is in the first ten, X2 in the first 50 without X1. Bounds of 5 standard
  deviations: each fails by chance less than once in a million seeds."""
  marker = samples(AddingConfig(), COUNT).inputs[:, :, 1] == 1
  assert not marker[:, 50:].any()
  assert_distribution(marker[:, 10:50].sum(0))

  def assert_probability(happened, p):
    error = np.abs(happened.mean(0) - p)
    assert (error < 5 * np.sqrt(p * (1 - p) / COUNT)).all()

  # The mark of the first pair is hidden.
  assert_probability(marker[:, 1:10], 1 / 10 + 9 / 10 / 49)
  assert_probability(marker[:, 10:50], 1 / 49)
  assert_probability(marker[:, 1:10].sum(1) == 2, 9 / 10 * 8 / 49)


@pytest.mark.parametrize("variant", ["le", "bai"])
def test_pairs_of_fixed_length(variant):
  t = 40
  examples = samples(AddingConfig(length=t, variant=variant), COUNT)
  assert_asked_at_the_end(examples, t, t)
  value, marker = examples.inputs.transpose(2, 0, 1)
  assert_uniform_reals(value, 0, 1)
  assert set(np.unique(marker)) == {0, 1}
  assert (marker.sum(1) == 2).all()
  np.testing.assert_allclose(
    examples.targets[:, -1, 0], (value * marker).sum(1), atol=1e-6
  )
  places = np.nonzero(marker)[1].reshape(COUNT, 2)
  if variant == "le":
    assert_uniform(places[:, 0], 0, t // 2 - 1)
    assert_uniform(places[:, 1], t // 2, t - 1)
  else:  # each of the pairs as often as the others
    pair = places[:, 0] * t + places[:, 1]
    low, high = np.triu_indices(t, 1)
    counts = np.bincount(pair, minlength=t * t)[low * t + high]
    assert counts.sum() == COUNT
    assert_distribution(counts)


def test_a_guess_scores_the_variance():
  """The mean squared error of always guessing 1 is 1/6 (variance of a sum)."""
  targets = samples(AddingConfig(variant="bai"), COUNT).targets[:, -1, 0]
  # The square's standard deviation is sqrt(7/180); 5 standard errors.
  error = np.square(targets - 1)
  assert abs(error.mean() - 1 / 6) < 5 * np.sqrt(7 / 180 / COUNT)


def test_smallest_lengths():
  for config in (
    AddingConfig(length=11),
    AddingConfig(length=2, variant="le"),
    AddingConfig(length=2, variant="bai"),
    AddingConfig(length=3, variant="le"),
  ):
    examples = samples(config, 100)
    assert examples.mask.any(1).all()
    assert np.isfinite(examples.targets).all()
    assert (examples.weights.sum(1) == 1).all()
  with pytest.raises(ConfigError, match="task.length: must be at least 11"):
    AddingConfig(length=10).check()


def test_sizes():
  assert AddingConfig().sizes() == Spec("frames", 2, 1)
  assert MultiplicationConfig().sizes() == Spec("frames", 2, 1)
