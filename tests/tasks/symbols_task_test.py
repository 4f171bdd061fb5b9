"""Temporal order, long lag and two sequences: what is drawn, and targets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from task_checks import (
  assert_asked_at_the_end,
  assert_distribution,
  assert_uniform,
  at_the_end,
  samples,
)

from lstm_jax.errors import ConfigError
from lstm_jax.likelihoods.squared_error import SquaredError
from lstm_jax.tasks.answers import judge_outputs
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.long_lag import LongLagConfig
from lstm_jax.tasks.sequence_task import as_row
from lstm_jax.tasks.temporal_order import TemporalOrderConfig
from lstm_jax.tasks.two_sequence import TwoSequenceConfig

COUNT = 10_000


@pytest.mark.parametrize(
  "relevant, length, windows",
  [
    (2, 100, [(10, 20), (50, 60)]),
    (3, 100, [(10, 20), (33, 43), (66, 76)]),
    (2, 50, [(5, 10), (25, 30)]),
    (3, 10, [(1, 2), (3, 4), (6, 7)]),
  ],
)
def test_temporal_order(relevant, length, windows):
  config = TemporalOrderConfig(relevant=relevant, length=length)
  assert config.sizes() == Spec("tokens", 8, 2**relevant)
  examples = samples(config, COUNT)
  lengths = assert_asked_at_the_end(examples, length, length + length // 10)
  text = np.array(list("EBabcdXY"))[examples.inputs]
  assert (text[:, 0] == "E").all()
  assert (at_the_end(text, lengths) == "B").all()
  names = [f"{n:0{relevant}b}" for n in range(2**relevant)]
  names = [n.replace("0", "X").replace("1", "Y") for n in names]
  inside = ["".join(row[:n]) for row, n in zip(text, lengths)]
  order = ["".join(c for c in row if c in "XY") for row in inside]
  label = np.array([names.index(o) for o in order])
  assert_uniform(label, 0, 2**relevant - 1)
  np.testing.assert_array_equal(
    at_the_end(examples.targets, lengths), np.eye(2**relevant)[label]
  )
  places = np.array(
    [[i for i, c in enumerate(row) if c in "XY"] for row in inside]
  )
  for place, (low, high) in zip(places.T, windows):
    assert_uniform(place, low, high)
  rest = [c for row in inside for c in row[1:-1] if c not in "XY"]
  letters, counts = np.unique(rest, return_counts=True)
  assert list(letters) == list("abcd")
  assert_distribution(counts)


def test_temporal_order_with_numbers_for_classes():
  config = TemporalOrderConfig(relevant=3)
  one_hot = samples(config, 50)
  config.loss = "cross_entropy"
  numbers = samples(config, 50)
  assert numbers.targets.dtype.kind == "i"
  np.testing.assert_array_equal(np.eye(8)[numbers.targets], one_hot.targets)


@pytest.mark.parametrize("variant", ["noise_free", "random"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_long_lag_of_fixed_length(variant, loss):
  p = 6
  config = LongLagConfig(variant=variant, symbols=p, loss=loss)
  assert config.sizes() == Spec("tokens", p + 1, p + 1)
  examples = samples(config, COUNT)
  assert examples.inputs.shape == (COUNT, p)
  assert (examples.weights == 1).all() and examples.mask.all()
  assert_uniform(examples.inputs[:, 0], p - 1, p)  # x or y
  middle = examples.inputs[:, 1:]
  if variant == "random":
    for column in middle.T:
      assert_uniform(column, 0, p - 2)
    assert (examples.judged == [False] * (p - 1) + [True]).all()
  else:
    assert (middle == np.arange(p - 1)).all()
    assert examples.judged is None
  following = np.hstack([middle, examples.inputs[:, :1]])
  if loss == "squared_error":
    following = np.eye(p + 1)[following]
  np.testing.assert_array_equal(examples.targets, following)


def test_ends_have_an_error_at_the_end_alone():
  p = 6
  config = LongLagConfig(variant="random", symbols=p, ends_at_end=True)
  config.check()
  examples = samples(config, 3)
  asked = np.ones((p, p + 1), bool)
  asked[:-1, -2:] = False  # outputs for x and y, before the last step
  assert (examples.asked == asked).all()
  _, targets = as_row(jax.tree.map(jnp.asarray, examples))
  wrong = jnp.where(targets.asked, targets.values, 7.0)
  assert judge_outputs(SquaredError(wrong), targets, 0.1).nats == 0
  found = judge_outputs(SquaredError(targets.values + 1), targets, 0.1).nats
  assert found == 3 * asked.sum() / 2
  config.variant = "noise_free"
  with pytest.raises(ConfigError, match="task.ends_at_end: is for"):
    config.check()


def test_long_lag_of_random_length():
  p, q = 5, 7
  config = LongLagConfig(variant="geometric", symbols=p, lag=q)
  assert config.sizes() == Spec("tokens", p + 4, 2)
  examples = samples(config, COUNT)
  lengths = examples.mask.sum(1)
  step = np.arange(q + 131 + 3)
  np.testing.assert_array_equal(examples.mask, step < lengths[:, None])
  np.testing.assert_array_equal(examples.weights, step == lengths[:, None] - 1)
  x, y, b, e = range(p, p + 4)
  assert (examples.inputs[:, 0] == b).all()
  assert_uniform(examples.inputs[:, 1], x, y)
  assert (at_the_end(examples.inputs, lengths) == e).all()
  middle = (step > 1) & (step < lengths[:, None] - 1)
  assert_uniform(examples.inputs[middle], 0, p - 1)
  np.testing.assert_array_equal(
    at_the_end(examples.targets, lengths), np.eye(2)[examples.inputs[:, 1] - x]
  )
  extra = lengths - 3 - q
  assert extra.min() == 0
  few = 40
  probabilities = [0.1 * 0.9**k for k in range(few)] + [0.9**few]
  assert_distribution(
    np.bincount(np.minimum(extra, few), minlength=few + 1), probabilities
  )
  # The mean of k is 9, of variance 90; 5 standard errors.
  assert abs(extra.mean() - 9) < 5 * np.sqrt(90 / COUNT)


@pytest.mark.parametrize("noise", ["none", "signal", "targets"])
@pytest.mark.parametrize("informative", [1, 3])
def test_two_sequence(noise, informative):
  config = TwoSequenceConfig(noise=noise, informative=informative)
  assert config.sizes() == Spec("frames", 1, 1)
  examples = samples(config, COUNT)
  lengths = assert_asked_at_the_end(examples, 100, 110)
  start = examples.inputs[:, :informative, 0]
  rest = examples.inputs[:, informative:, 0][examples.mask[:, informative:]]
  assert_normal(rest, 0.2)
  targets = at_the_end(examples.targets, lengths)[:, 0]
  if noise == "targets":
    clean = at_the_end(examples.reference, lengths)[:, 0]
    assert examples.reference.shape == examples.targets.shape
    np.testing.assert_allclose(clean, np.where(start[:, 0] > 0, 0.2, 0.8))
    assert_normal(targets - clean, 0.1)
    sign = np.where(clean < 0.5, 1, -1)
  else:
    assert examples.reference is None
    assert set(targets) == {0, 1}
    sign = 2 * targets - 1
  assert_distribution([(sign == 1).sum(), (sign == -1).sum()])
  if noise == "signal":
    assert_normal((start - sign[:, None]).ravel(), 0.2)
  else:
    assert (start == sign[:, None]).all()


def assert_normal(x, variance):
  """Moments of a centred normal distribution within 5 standard errors."""
  z = x / np.sqrt(variance)
  assert abs(z.mean()) < 5 / np.sqrt(z.size)
  assert abs(np.square(z).mean() - 1) < 5 * np.sqrt(2 / z.size)
  # E z^4 = 3 with variance E z^8 - 9 = 96
  assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / z.size)


def test_more_informative_steps_than_there_are():
  with pytest.raises(ConfigError) as error:
    TwoSequenceConfig(length=5, informative=6).check()
  assert str(error.value) == (
    "task.informative: must be at most task.length 5, got 6"
  )
