"""ListOps: values, shapes of expressions, and the splits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from task_checks import assert_distribution

from configs import char_lm
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.tasks import list_ops
from lstm_jax.tasks.list_ops import ListOpsConfig

RULES = {
  "[MIN": min,
  "[MAX": max,
  "[MED": lambda args: int(np.median(args)),
  "[SM": lambda args: sum(args) % 10,
}


def read(symbols, depth=1):
  """Value of the expression at the head of a list, its lists, each as (depth,
  operator, kinds of arguments), and what follows."""
  head, *rest = symbols
  if head < 10:
    return head, [], rest
  values, kinds, lists = [], [], []
  while rest[0] != list_ops.CLOSE:
    kinds.append("list" if rest[0] >= 10 else "digit")
    value, inner, rest = read(rest, depth + 1)
    values.append(value)
    lists += inner
  name = list_ops.OPERATORS[head - 10]
  return RULES[name](values), [(depth, name, kinds), *lists], rest[1:]


def small(**values):
  sizes = dict(training_sequences=300, evaluation_sequences=100)
  return ListOpsConfig(**sizes | values)


def test_values_lengths_and_depths():
  config = small(length=60, shortest=20, max_depth=4, max_args=5)
  task = config.load(10)
  assert task.spec == ("tokens", 15, 10, "cross_entropy")
  assert task.steps_per_epoch == 30
  seen, depths, sizes, lengths = set(), set(), set(), set()
  for split, count in (("train", 300), ("valid", 100), ("test", 100)):
    data = task.source.data
    if split != "train":
      data = task.evaluation(split, 100).data
    assert len(data.inputs) == count
    for inputs, targets, weights, mask in zip(*data[:4]):
      n = mask.sum()
      lengths.add(int(n))
      assert mask[:n].all() and 20 <= n <= 60
      value, lists, rest = read(inputs[:n].tolist())
      assert rest == [] and not inputs[n:].any()
      assert np.flatnonzero(weights).tolist() == [n - 1]
      assert targets[n - 1] == value and weights[n - 1] == 1
      depths |= {depth for depth, *_ in lists}
      sizes |= {len(kinds) for *_, kinds in lists}
      seen.add(inputs.tobytes())
  assert depths == {1, 2, 3} and sizes == {2, 3, 4, 5} and len(seen) == 500
  assert max(lengths) > 50 and min(lengths) < 25


def test_lists_and_operators_come_with_their_chances():
  # Up to 17 symbols are all there are with these, so none is left out.
  config = small(length=17, shortest=4, max_depth=3, max_args=3)
  rng = np.random.default_rng(0)
  symbols, lengths, _ = list_ops.write_expressions(rng, config, 2000)
  assert len(symbols) == 2000
  names, outer, sizes, digits = [], [], [], []
  for row, n in zip(symbols.tolist(), lengths):
    for depth, name, kinds in read(row[:n])[1]:
      names.append(list_ops.OPERATORS.index(name))
      sizes.append(len(kinds))
      if depth == 1:
        outer += kinds
      else:
        assert "list" not in kinds
    digits += [symbol for symbol in row[:n] if symbol < 10]
  assert_distribution(np.bincount(names))
  assert_distribution(np.bincount(sizes)[2:])
  assert_distribution([outer.count("list"), outer.count("digit")], [0.25, 0.75])
  assert_distribution(np.bincount(digits))


def test_a_seed_is_one_data_set():
  a, b, c = (small(data_seed=seed).load(5) for seed in (0, 0, 1))
  np.testing.assert_array_equal(a.source.data.inputs, b.source.data.inputs)
  assert a.record == b.record != c.record


def test_batches_are_of_the_training_split():
  task = small().load(8)
  data = task.source.data
  batch, _ = jax.jit(task.batch)(data, jnp.array(2), jax.random.key(0))
  rows = {row.tobytes() for row in data.inputs}
  assert all(np.asarray(row).tobytes() in rows for row in batch.inputs.x)
  assert batch.targets.weights.sum() == 8


@pytest.mark.parametrize(
  "values, message",
  [
    (dict(shortest=101), "task.shortest: 101 is more than task.length, 100"),
    (dict(shortest=1), "task.shortest: must be at least 4"),
    (dict(max_depth=1), "task.max_depth: must be at least 2"),
    (dict(max_args=1), "task.max_args: must be at least 2"),
    (dict(lists=1.5), "task.lists: .* at most 1.0"),
    (dict(training_sequences=0), "task.training_sequences: must be at least"),
    (dict(loss="squared_error"), "task.loss: unknown name"),
  ],
)
def test_what_is_refused(values, message):
  config = char_lm.get_config("tiny")
  config.task = ListOpsConfig(**values)
  with pytest.raises(ConfigError, match=message):
    validate(config)
    config.task.check()


def test_too_few_different_expressions():
  # [op d d ]: four operators and a hundred pairs of digits
  config = small(length=4, shortest=4, training_sequences=201)
  with pytest.raises(DataError, match="401 different .* the 400 found"):
    config.load(1)
  config.training_sequences = 200
  assert len(config.load(1).source.data.inputs) == 200
