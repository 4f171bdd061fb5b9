"""Associative recall: the answers, and how keys and places are drawn."""

import itertools

import jax
import numpy as np
import pytest
from task_checks import assert_distribution

from configs import char_lm
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.associative_recall import AssociativeRecallConfig


def draw(count, **values):
  config = AssociativeRecallConfig(**values)
  keys = jax.random.split(jax.random.key(0), count)
  examples = jax.jit(jax.vmap(config.sample))(keys)
  return jax.tree.map(np.asarray, examples)


@pytest.mark.parametrize("filler", ["random", "blank"])
def test_answers(filler):
  pairs, queries, v, length = 3, 2, 16, 15
  inputs, targets, weights, mask, *_ = draw(
    2000,
    pairs=pairs,
    queries=queries,
    vocabulary=v,
    length=length,
    filler=filler,
  )
  assert inputs.shape == (2000, length) and mask.all()
  keys, values = inputs[:, : 2 * pairs : 2], inputs[:, 1 : 2 * pairs : 2]
  assert (1 <= keys).all() and (keys < v // 2).all()
  assert (v // 2 <= values).all() and (values < v).all()
  # Among 7 keys and 8 values each comes as often; those of a row all differ.
  assert_distribution(np.bincount(keys.ravel(), minlength=8)[1:8])
  assert_distribution(np.bincount(values.ravel(), minlength=v)[8:])
  rest = []
  for row in range(len(inputs)):
    book = dict(zip(keys[row], values[row]))
    assert len(book) == pairs and len(set(book.values())) == pairs
    places = np.flatnonzero(weights[row])
    assert len(places) == queries and set(weights[row]) == {0, 1}
    assert (places >= 2 * pairs).all() and (places % 2 == 0).all()
    asked = inputs[row, places]
    assert len(set(asked)) == queries
    assert [book[key] for key in asked] == targets[row, places].tolist()
    rest.append(np.delete(inputs[row], [*range(2 * pairs), *places]))
  assert (targets[weights == 0] == 0).all()
  rest = np.concatenate(rest)
  if filler == "blank":
    assert (rest == 0).all()
  else:
    assert_distribution(np.bincount(rest, minlength=v))
  # The first query is any of the keys.
  first = [
    list(keys[row]).index(inputs[row, np.flatnonzero(weights[row])[0]])
    for row in range(len(inputs))
  ]
  assert_distribution(np.bincount(first, minlength=pairs))


@pytest.mark.parametrize("power", [0.01, 0.5, 1.0])
def test_gaps_follow_the_power_law(power):
  """Successive draws without replacement, each by the weights that are left."""
  weights = draw(
    4000, pairs=2, queries=2, length=14, vocabulary=8, power=power
  ).weights
  places = [tuple(np.flatnonzero(row)) for row in weights]
  p = np.arange(1, 6) ** (power - 1.0)
  p /= p.sum()
  sets = list(itertools.combinations(range(5), 2))
  chances = [
    p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j]) for i, j in sets
  ]
  counts = [places.count((4 + 2 * i, 4 + 2 * j)) for i, j in sets]
  assert sum(counts) == 4000
  assert_distribution(counts, chances)


@pytest.mark.parametrize(
  "values, message",
  [
    (dict(queries=5), "task.queries: 5 is more than task.pairs, 4"),
    (dict(length=15), "task.length: must be at least 16 for 4 pairs"),
    (dict(vocabulary=9), "task.vocabulary: must be at least 10 for 4"),
    (dict(power=1.5), "task.power: must be at least 0.0 and at most 1.0"),
    (dict(pairs=0), "task.pairs: must be at least 1"),
    (dict(filler="none"), "task.filler: unknown name"),
  ],
)
def test_what_is_refused(values, message):
  config = char_lm.get_config("tiny")
  config.task = AssociativeRecallConfig(**values)
  with pytest.raises(ConfigError, match=message):
    validate(config)
    config.task.check()


def test_the_smallest_that_is_allowed():
  config = AssociativeRecallConfig(length=16, vocabulary=10)
  config.check()
  assert config.sample(jax.random.key(0)).weights.sum() == 4
