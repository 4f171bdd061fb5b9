"""Copy memory and selective copying."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from task_checks import assert_distribution, loss_of

from configs import char_lm
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.copy_memory import CopyMemoryConfig
from lstm_jax.tasks.selective_copying import SelectiveCopyingConfig
from lstm_jax.tasks.subsets import distinct, subset


def draw(config, count):
  keys = jax.random.split(jax.random.key(0), count)
  return jax.tree.map(np.asarray, jax.jit(jax.vmap(config.sample))(keys))


def mean_loss(task, logits, batch):
  return task.scores(loss_of(task, logits, batch.targets))["nats_per_step"]


@pytest.mark.parametrize("variant", ["fixed", "variable", "bai"])
def test_copy_memory(variant):
  t, k, s = 7, 3, 4
  config = CopyMemoryConfig(length=t, symbols=s, copied=k, variant=variant)
  assert config.spec() == ("tokens", s + 2, s + 1, "cross_entropy")
  inputs, targets, weights, mask, *_ = draw(config, 3000)
  assert inputs.shape == (3000, t + 2 * k)
  assert_distribution(np.bincount(inputs[:, :k].ravel())[1:])
  delimiters = (inputs == s + 1).argmax(1)
  pauses = delimiters - k + 1
  if variant == "variable":
    assert_distribution(np.bincount(pauses, minlength=t + 1)[1:])
  else:
    assert (pauses == t).all()
  for row, pause in enumerate(pauses):
    symbols = inputs[row, :k].tolist()
    blanks = [0] * (t - pause)
    after = [s + 1] * k if variant == "bai" else [0] * k
    wanted = symbols + [0] * (pause - 1) + [s + 1] + after
    assert inputs[row].tolist() == wanted + blanks
    assert targets[row].tolist() == [0] * (pause + k) + symbols + blanks
    inside = np.arange(t + 2 * k) < pause + 2 * k
    np.testing.assert_array_equal(mask[row], inside)
    np.testing.assert_array_equal(weights[row], inside)


@pytest.mark.parametrize("variant", ["fixed", "variable", "bai"])
def test_a_model_without_memory_has_the_memoryless_loss(variant):
  """Blank up to the delimiter, then any symbol."""
  config = CopyMemoryConfig(length=50, variant=variant)
  task = config.load(2000)
  batch, _ = jax.jit(task.batch)((), jnp.array(0), jax.random.key(1))
  marked = jnp.cumsum(batch.inputs.x == 9, axis=1) > 0
  guess = jnp.concatenate([jnp.zeros_like(marked[:, :1]), marked[:, :-1]], 1)
  symbol = jnp.arange(9) > 0
  logits = jnp.where(guess[..., None] == symbol, 0.0, -1e9)
  loss = mean_loss(task, logits, batch)
  # Where the pause varies its mean does too: by 14.4 / sqrt(2000) of 45.5, in
  # one standard deviation; six are allowed.
  allowed = 0.043 if variant == "variable" else 1e-5
  assert loss == pytest.approx(config.memoryless_loss(), rel=allowed)


def test_memoryless_losses_of_the_papers():
  for length, loss in ((100, 0.1733), (500, 0.0400), (1000, 0.0204)):
    config = CopyMemoryConfig(length=length)
    assert config.memoryless_loss() == pytest.approx(loss, abs=5e-5)


def test_selective_copying():
  t, k, s = 9, 4, 3
  config = SelectiveCopyingConfig(length=t, symbols=s, copied=k)
  assert config.spec() == ("tokens", s + 2, s, "cross_entropy")
  inputs, targets, weights, mask, *_ = draw(config, 4000)
  assert inputs.shape == (4000, t + k) and mask.all()
  assert (inputs[:, t:] == s + 1).all() and (inputs[:, :t] <= s).all()
  assert (weights == (np.arange(t + k) >= t)).all()
  seen = [row[row > 0] - 1 for row in inputs[:, :t]]
  np.testing.assert_array_equal(np.stack(seen), targets[:, t:])
  assert (targets[:, :t] == 0).all()
  assert_distribution(np.bincount(targets[:, t:].ravel(), minlength=s))
  sets = list(itertools.combinations(range(t), k))
  found = [tuple(np.flatnonzero(row)) for row in inputs[:, :t]]
  assert_distribution([found.count(places) for places in sets])


def test_a_guess_has_the_memoryless_loss():
  config = SelectiveCopyingConfig(length=20, copied=5)
  task = config.load(4)
  batch, _ = task.batch((), jnp.array(0), jax.random.key(1))
  logits = jnp.zeros((*batch.targets.values.shape, task.spec.outputs))
  assert config.memoryless_loss() == pytest.approx(math.log(14))
  assert mean_loss(task, logits, batch) == pytest.approx(math.log(14), rel=1e-6)


def test_distinct_numbers_come_in_any_order():
  keys = jax.random.split(jax.random.key(0), 5000)
  rows = np.asarray(jax.vmap(lambda key: distinct(key, 5, 3))(keys)).tolist()
  orders = list(itertools.permutations(range(5), 3))
  assert_distribution([rows.count(list(order)) for order in orders])


def test_a_subset_may_be_all_there_is():
  assert sorted(subset(jax.random.key(0), 6, 6).tolist()) == list(range(6))


@pytest.mark.parametrize(
  "config, message",
  [
    (CopyMemoryConfig(length=0), "task.length: must be at least 1"),
    (CopyMemoryConfig(symbols=1), "task.symbols: must be at least 2"),
    (CopyMemoryConfig(copied=0), "task.copied: must be at least 1"),
    (CopyMemoryConfig(variant="fixd"), 'did you mean "fixed"'),
    (CopyMemoryConfig(loss="binary"), "task.loss: unknown name"),
    (SelectiveCopyingConfig(symbols=1), "task.symbols: must be at least 2"),
    (SelectiveCopyingConfig(length=5), "task.copied: 16 .* at most 5"),
  ],
)
def test_what_is_refused(config, message):
  whole = char_lm.get_config("tiny")
  whole.task = config
  with pytest.raises(ConfigError, match=message):
    validate(whole)
    config.check()
