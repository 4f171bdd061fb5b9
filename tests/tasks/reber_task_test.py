"""The Reber tasks against the grammar written as a regular expression, and the
counts of the steps that are judged."""

import collections
import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from task_checks import assert_distribution, loss_of, samples

from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.continual_reber import ContinualReberConfig
from lstm_jax.tasks.embedded_reber import (
  EmbeddedReberConfig,
  data_set,
  draw_string,
  embedded_grammar,
)

SYMBOLS = "BTPSXVE"
# The grammar's two rows meet again and again: "joined" is what can follow the
# X that leaves the upper one, or the P that leaves the lower.
JOINED = "(?:XT*VP)*(?:S|XT*VV)"
REBER = f"B(?:TS*X{JOINED}|PT*V(?:V|P{JOINED}))E"
EMBEDDED = re.compile(f"B(?:T{REBER}T|P{REBER}P)E")


def text(symbols):
  return "".join(SYMBOLS[s] for s in symbols)


def followers(strings) -> dict[str, set[str]]:
  """What came next after each prefix seen 40 times or more: with two choices
  of 1/2 each, one is missed with probability 2^-39."""
  seen = collections.defaultdict(collections.Counter)
  for string in strings:
    for i in range(1, len(string)):
      seen[string[:i]][string[i]] += 1
  return {
    prefix: set(counts)
    for prefix, counts in seen.items()
    if counts.total() >= 40
  }


@pytest.fixture(scope="module")
def many_strings():
  random, grammar = np.random.default_rng(0), embedded_grammar()
  return [draw_string(random, grammar) for _ in range(10_000)]


def test_strings_are_those_of_the_grammar(many_strings):
  assert all(map(EMBEDDED.fullmatch, many_strings))
  # Two to the minus number of choices.
  some = {"BTBTXSETE": 4, "BPBTXSEPE": 4, "BTBPVVETE": 4, "BPBPVVEPE": 4}
  some |= {"BTBTSXSETE": 5, "BPBPTVVEPE": 5, "BTBTXXVVETE": 6, "BPBPVPSEPE": 5}
  counts = [many_strings.count(s) for s in some]
  probabilities = [0.5**k for k in some.values()]
  assert_distribution(
    [*counts, len(many_strings) - sum(counts)],
    [*probabilities, 1 - sum(probabilities)],
  )


def test_data_sets():
  train, test = data_set(3, 256)
  assert len(train) == len(test) == 256
  assert not set(train) & set(test)
  assert data_set(3, 256) == (train, test)
  assert data_set(4, 256) != (train, test)
  assert len(set(train)) < 256  # drawn independently


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_embedded_reber(many_strings, loss):
  config = EmbeddedReberConfig(data_set=1, loss=loss)
  config.check()
  assert config.sizes() == Spec("tokens", 7, 7)
  task = config.load(4)
  assert task.steps_per_epoch == 64
  train, test = data_set(1, 256)
  possible, compared = followers(many_strings), 0
  for split, strings in (("valid", train + test), ("test", test)):
    window, data, windows = task.evaluation(split, 128)
    assert windows == len(strings) / 128
    batches = [jax.jit(window)(data, i)[0] for i in range(windows)]
    (symbols, mask, _), answers = jax.tree.map(
      lambda *a: np.concatenate(a), *batches
    )
    np.testing.assert_array_equal(answers.weights, mask)
    targets = answers.values
    if loss == "squared_error":
      assert (targets.sum(-1) == 1).all()
      targets = targets.argmax(-1)
    for row, string in enumerate(strings):
      steps = mask[row].sum()
      assert mask[row, :steps].all()
      assert text(symbols[row, :steps]) == string[:-1]
      assert text(targets[row, :steps]) == string[1:]
      for step in range(steps):
        accepted = set(text(np.nonzero(answers.accepted[row, step])[0]))
        assert string[step + 1] in accepted
        wanted = possible.get(string[: step + 1])
        if wanted:
          assert accepted == wanted
          compared += 1
  assert compared > 1000
  draw = jax.jit(task.batch)
  drawn = []
  for step in range(64):
    batch, _ = draw(task.source.data, jnp.asarray(step), jax.random.key(0))
    rows = zip(np.asarray(batch.inputs.x), np.asarray(batch.inputs.mask))
    drawn += [text(row[mask]) for row, mask in rows]
  assert sorted(drawn) == sorted(s[:-1] for s in train)


def test_continual_reber():
  length = 300
  config = ContinualReberConfig(length=length)
  assert config.sizes() == Spec("tokens", 7, 7)
  every = samples(config, 300)
  outer = samples(dataclasses.replace(config, judge="outer"), 300)
  np.testing.assert_array_equal(every.inputs, outer.inputs)
  assert every.judged is None
  assert every.mask.all() and (every.weights == 1).all()
  following = every.targets.argmax(-1)
  assert (every.targets.sum(-1) == 1).all()
  np.testing.assert_array_equal(following[:, :-1], every.inputs[:, 1:])
  steps, strings = [], []
  for row in range(300):
    stream = text(every.inputs[row]) + text(following[row, -1:])
    at = 0
    while found := EMBEDDED.match(stream, at):
      string = found.group()
      strings.append(string)
      before = at
      at = found.end()
      judged = outer.judged[row, before : min(at, length)]
      expected = np.arange(len(judged)) == len(string) - 3
      np.testing.assert_array_equal(judged, expected)
      accepted = every.accepted[row, before : min(at, length)]
      steps += [
        (string[: i + 1], set(text(np.nonzero(a)[0])))
        for i, a in enumerate(accepted)
      ]
    # What is left is the beginning of a string; none is this long by chance.
    assert len(stream) - at < 100
  possible, compared = followers(strings), 0
  for prefix, accepted in steps:
    wanted = {"B"} if EMBEDDED.fullmatch(prefix) else possible.get(prefix)
    if wanted:
      assert accepted == wanted
      compared += 1
  assert compared > 10_000


def test_only_judged_steps_are_counted():
  config = ContinualReberConfig(length=60, judge="outer")
  task = config.load(8)
  batch, _ = jax.jit(task.batch)((), jnp.asarray(0), jax.random.key(1))
  targets = batch.targets
  legal = targets.accepted.astype(jnp.float32)
  count = targets.judged.sum()
  assert 8 < count < 8 * 60 / 8

  def scores(values):
    sums = loss_of(task, values, targets)
    assert sums.extra["steps"] == count
    return sums.nats, task.scores(sums)

  nats, right = scores(legal)
  assert right["accuracy"] == 1 and right["wrong_sequences"] == 0
  # Wrong where it is not judged: as good, at a higher loss.
  elsewhere = jnp.where(targets.judged[..., None], legal, 1 - legal)
  more, same = scores(elsewhere)
  assert more > nats
  assert same == right
  # Wrong at one judged step of the first sequence.
  first = jnp.argmax(targets.judged[0])
  _, once = scores(legal.at[0, first].set(1 - legal[0, first]))
  assert once["accuracy"] == pytest.approx(1 - 1 / float(count))
  assert once["wrong_sequences"] == pytest.approx(1 / 8)
  assert once["absolute_error"] == pytest.approx(1 / float(count))
