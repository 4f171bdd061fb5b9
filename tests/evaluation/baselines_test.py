"""n-grams against counts by hand, and the other baselines against sums."""

import collections
import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fake_piano_rolls import fake_rolls, save_rolls
from helpers import make_small_config, run_main

from experiments import baselines as command
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.baselines import estimate_baselines, score_baselines
from lstm_jax.evaluation.ngram import count_ngrams
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import (
  Example,
  SequenceTask,
  SequenceTaskConfig,
)


def by_hand(pairs, context, outcome, kinds):
  """Witten-Bell by loops; context: the newest first."""
  p = 1 / kinds
  for n in range(len(context) + 1):
    followers = [w for c, w in pairs if tuple(c[:n]) == tuple(context[:n])]
    if followers:
      types = len(set(followers))
      p = (followers.count(outcome) + types * p) / (len(followers) + types)
  return p


def draw_pairs():
  random = np.random.default_rng(0)
  return random.integers(-1, 3, (40, 3)), random.integers(0, 4, 40)


def test_a_count_by_hand():
  # "abab": b follows a twice, a follows b once.
  model = count_ngrams(np.array([[0], [1], [0]]), np.array([1, 0, 1]), 2, 2)
  first = (2 + 2 * 0.5) / (3 + 2)  # of b, after nothing
  after_a = (2 + 1 * first) / (2 + 1)
  got = model.probability(np.array([[0]]), np.array([1]), 2)
  assert got == pytest.approx([after_a])
  unseen = model.probability(np.array([[-1]]), np.array([1]), 2)
  assert unseen == pytest.approx([first])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_those_of_loops_and_sum_to_one(order):
  contexts, outcomes = draw_pairs()
  model = count_ngrams(contexts, outcomes, 3, 4)
  asked = np.stack(np.meshgrid(*[np.arange(-1, 3)] * 3), -1).reshape(-1, 3)
  got = model.probability(asked[:, None], np.arange(4), order)
  np.testing.assert_allclose(got.sum(-1), 1, rtol=1e-12)
  pairs = [*zip(contexts.tolist(), outcomes.tolist(), strict=True)]
  expected = [
    [by_hand(pairs, context[: order - 1], w, 4) for w in range(4)]
    for context in asked.tolist()
  ]
  np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_nothing_to_count_is_refused():
  with pytest.raises(ValueError, match="at least one"):
    count_ngrams(np.zeros((0, 1), int), np.zeros(0, int), 2, 2)


def test_a_text_is_scored_as_by_hand(corpus):
  config = make_small_config(corpus)
  task = config.task.load(config.train.batch_size)
  says = estimate_baselines(task, 0, 3)
  sums = score_baselines(task, "valid", says, 3)
  pairs = collections.defaultdict(collections.Counter)
  data = task.source.at(0, 1)
  for x, y in zip(data.inputs, data.targets, strict=True):
    for t in range(task.steps_per_epoch * config.task.window):
      before = [-1, -1, *x[: t + 1].tolist()][::-1]
      for n in range(3):
        pairs[tuple(before[:n])][int(y[t])] += 1
  v, nats, counted = task.spec.outputs, np.zeros(3), 0
  window, evaluated, windows = task.evaluation("valid", 1)
  batches = [window(evaluated, index)[0] for index in range(windows)]
  x, y, weights = (
    np.concatenate([np.asarray(a)[0] for a in arrays]).tolist()
    for arrays in zip(
      *((b.inputs.x, b.targets.tokens, b.targets.weights) for b in batches),
      strict=True,
    )
  )
  for t in range(len(x)):
    if weights[t]:
      before, p = [-1, -1, *x[: t + 1]][::-1], 1 / v
      for n in range(3):
        after = pairs.get(tuple(before[:n]), {})
        total, kinds = sum(after.values()), len(after)
        if total:
          p = (after.get(y[t], 0) + kinds * p) / (total + kinds)
        nats[n] -= math.log(p)
      counted += 1
  assert [s.weight for s in sums.values()] == [counted] * 3
  np.testing.assert_allclose([s.nats for s in sums.values()], nats, rtol=1e-6)
  assert nats[0] > nats[1]


@dataclasses.dataclass(slots=True)
class WalkConfig(SequenceTaskConfig):
  """A random walk with a drift, one step ahead."""

  name: str = "walk"
  loss: str = "squared_error"
  evaluation_sequences: int = 64

  def sizes(self):
    return Spec("frames", 1, 1)

  def sample(self, key):
    x = (jax.random.normal(key, (21, 1)) + 0.5).cumsum(0)
    mask = jnp.arange(20) < 15
    return Example(x[:-1], x[1:], mask.astype(jnp.float32), mask)


def test_last_value_and_mean_of_numbers():
  config = WalkConfig()
  task = SequenceTask(config, 8)
  says = estimate_baselines(task, 5, 5)
  assert [*says] == ["mean", "last value"]
  sums = score_baselines(task, "valid", says, 5)
  scores = {name: task.scores(each) for name, each in sums.items()}
  window, data, windows = task.evaluation("valid", task.rows)
  assert windows == 1
  batch, _ = window(data, 0)
  x, y = np.asarray(batch.inputs.x), np.asarray(batch.targets.values)
  error = np.square(x - y)[:, :15].mean()
  assert scores["last value"]["squared_error"] == pytest.approx(error, 1e-5)
  key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 1), 2**31)
  seen = [
    task.batch((), jnp.int32(step), key)[0].targets.values for step in range(5)
  ]
  mean = np.stack(seen)[:, :, :15].mean()
  error = np.square(mean - y)[:, :15].mean()
  assert scores["mean"]["squared_error"] == pytest.approx(error, 1e-4)
  with pytest.raises(ConfigError, match=r'batches: the task "walk" has no'):
    estimate_baselines(task, 0, 5)


def test_how_often_a_key_sounds_given_whether_it_did(tmp_path, capsys):
  rolls = fake_rolls()
  printed = run_main(
    command,
    capsys,
    "--config=configs/piano_rolls.py:tiny",
    f"--config.task.source={save_rolls(tmp_path / 'rolls.mat', rolls)}",
    "--config.train.batch_size=1",
    "--split=test",
    "--json",
  )
  scores = {
    (line := json.loads(text))["baseline"]: line
    for text in printed.splitlines()
  }
  pairs = [np.stack([roll[:-1], roll[1:]]) for roll in rolls["train"]]
  before, after = np.concatenate(pairs, 1)

  def share(given):
    n, ones = given.sum(0), (given & (after == 1)).sum(0)
    return (ones + 0.5) / (n + 1)

  mean = share(np.ones(after.shape, bool))
  on, off = share(before == 1), share(before == 0)
  nats, frames = np.zeros(2), 0
  for roll in rolls["test"]:
    for x, y in zip(roll[:-1], roll[1:], strict=True):
      for number, p in enumerate((mean, np.where(x == 1, on, off))):
        nats[number] -= np.log(np.where(y == 1, p, 1 - p)).sum()
      frames += 1
  for name, expected in zip(("mean", "last value"), nats / frames, strict=True):
    assert scores[name]["nats_per_frame"] == pytest.approx(expected, 1e-4)


@pytest.mark.parametrize(
  "file, words",
  [
    ("digits", ()),
    ("copy_memory", ("--batches=20",)),
    ("reversed_pairs", ("--batches=20",)),
  ],
)
def test_the_table_of_a_task(file, words, capsys):
  printed = run_main(
    command, capsys, f"--config=configs/{file}.py:tiny", "--orders=2", *words
  )
  title, head, *rows = printed.splitlines()
  assert title == f"{file}, valid split" and head.startswith("baseline")
  kinds = ["1-gram", "2-gram"][: 1 if file == "digits" else 2]
  assert [row.split()[0] for row in rows] == kinds
