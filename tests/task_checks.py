"""What the tests of sampled tasks share."""

from types import SimpleNamespace

import jax
import numpy as np

from lstm_jax.likelihoods.registry import LIKELIHOODS


def loss_of(task, values, targets):
  """The sums of a task's loss, of outputs that are given."""
  likelihood = LIKELIHOODS[task.config.loss](values)
  return task.loss(SimpleNamespace(likelihood=likelihood), targets)


def samples(config, count: int, seed: int = 0):
  """An Example of arrays [n t ...], drawn as training draws them."""
  config.check()
  keys = jax.random.split(jax.random.key(seed), count)
  return jax.tree.map(np.asarray, jax.jit(jax.vmap(config.sample))(keys))


def assert_distribution(counts, probabilities=None):
  """Pearson's chi-square test of counts, uniform unless told.

  The bound is the quantile 1 - 1e-6 by Wilson & Hilferty 1931, The distribution
  of chi-square, PNAS 17: one seed in a million would fail by chance.
  """
  counts = np.asarray(counts, float)
  if probabilities is None:
    probabilities = np.ones(len(counts))
  probabilities = np.asarray(probabilities, float)
  expected = counts.sum() * probabilities / probabilities.sum()
  assert expected.shape == counts.shape
  assert expected.min() >= 5, "too few samples for the test"
  statistic = (np.square(counts - expected) / expected).sum()
  freedom = len(counts) - 1
  spread = 2 / (9 * freedom)
  bound = freedom * (1 - spread + 4.753 * np.sqrt(spread)) ** 3
  assert statistic < bound, (statistic, bound, counts, expected)


def assert_uniform(numbers, low: int, high: int):
  """Integers from low to high, each as often as the others."""
  assert numbers.min() >= low and numbers.max() <= high
  assert_distribution(np.bincount(numbers - low, minlength=high - low + 1))


def assert_uniform_reals(numbers, low: float, high: float):
  assert numbers.min() >= low and numbers.max() <= high
  assert_distribution(np.histogram(numbers, 20, (low, high))[0])


def assert_asked_at_the_end(
  examples, shortest: int, longest: int
) -> np.ndarray:
  """Lengths are uniform, and only the last step counts; returns the lengths."""
  lengths = examples.mask.sum(1)
  step = np.arange(longest)
  assert examples.mask.shape[1] == longest
  np.testing.assert_array_equal(examples.mask, step < lengths[:, None])
  np.testing.assert_array_equal(examples.weights, step == lengths[:, None] - 1)
  if shortest < longest:
    assert_uniform(lengths, shortest, longest)
  else:
    assert (lengths == longest).all()
  return lengths


def at_the_end(values, lengths):
  return values[np.arange(len(values)), lengths - 1]
