"""Windows of random lengths, and the penalties on activations."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax.config import validate
from lstm_jax.data.streams import ROUNDS, TrainingWindows, longest_window
from lstm_jax.errors import ConfigError
from lstm_jax.layers.penalties import activation_penalty
from lstm_jax.run.build import build
from lstm_jax.tasks.text_config import CharLMConfig
from lstm_jax.training.optimizers import Optimizer, Schedule


def test_windows_cover_every_round():
  tokens = np.arange(20_001, dtype=np.int32)
  data = TrainingWindows(tokens, 4, 30, 3.0).at(0, 1)
  longest = longest_window(30, 3.0)
  assert data.inputs.shape == (4, data.starts.max() + longest)
  np.testing.assert_array_equal(
    data.targets[:, :5000], data.inputs[:, :5000] + 1
  )
  first = np.flatnonzero(data.starts == 0)
  assert len(first) == ROUNDS
  for start, length in zip(
    np.split(data.starts, first[1:]), np.split(data.lengths, first[1:])
  ):
    np.testing.assert_array_equal(start[1:], (start + length)[:-1])
    assert start[-1] + length[-1] == 5000
    assert 5 <= length[:-1].min() and length.max() <= 39
  # 2,700 draws: 95 % with a mean of 29.5 (whole numbers), 5 % with 14.5
  assert np.mean(data.lengths) == pytest.approx(28.75, abs=0.5)
  with pytest.raises(ValueError, match="too few for 9 streams"):
    TrainingWindows(tokens[:5], 9, 30, 3.0)


def test_a_batch_is_padded_and_its_rate_scaled(corpus):
  task = CharLMConfig(corpus=corpus, window=20, window_spread=4.0).load(2)
  data = jax.device_put(task.source.at(0, 1))
  symbols = task.vocabulary.encode(pathlib.Path(corpus).read_text())
  place = 0
  for step in range(task.steps_per_epoch + 3):
    batch, controls = task.batch(data, jnp.int32(step), jax.random.key(0))
    tokens, mask, _ = batch.inputs
    assert tokens.shape == mask.shape == (2, 32)
    length = int(mask[0].sum())
    if controls.restart:
      place = 0
    np.testing.assert_array_equal(
      tokens[0, :length], symbols[place : place + length]
    )
    np.testing.assert_array_equal(mask[0], np.arange(32) < length)
    np.testing.assert_array_equal(batch.targets.weights, mask)
    assert float(controls.rate) == pytest.approx(length / 20)
    place += length
  assert task.batch(data, jnp.int32(0), jax.random.key(0))[1].restart


def test_an_update_is_that_of_the_window_alone(small_config):
  """Padding changes nothing; l2 and the scaled rate do what torch's do."""
  config = small_config
  config.task.window_spread = 2.0
  config.model.dropout = type(config.model.dropout)()
  config.model.activation_l2, config.model.slowness_l2 = 2.0, 1.0
  config.optimizer.name = Optimizer.SGD
  config.optimizer.schedule = Schedule.CONSTANT
  config.optimizer.learning_rate, config.optimizer.l2 = 0.3, 0.01
  config.optimizer.clip_norm = 0.0
  experiment, state = build(validate(config))
  before = jax.tree.map(jnp.copy, state.params)
  task = experiment.task
  batch, _ = task.batch(experiment.data, jnp.int32(0), jax.random.key(0))
  (tokens, mask, _), targets = batch
  length = int(mask[0].sum())
  assert length < tokens.shape[1]

  def loss(params):
    model = nnx.merge(experiment.structure, params)
    output = model(tokens[:, :length])
    h = output.features
    return (
      output.nll(targets.tokens[:, :length]).mean()
      + 2 * (h**2).mean()
      + ((h[:, 1:] - h[:, :-1]) ** 2).mean()
    )

  gradient = jax.grad(loss)(before)
  rate = 0.3 * length / config.task.window
  state, metrics = experiment.train_call(state, experiment.data)
  assert float(metrics.learning_rate) == pytest.approx(rate)
  expected = jax.tree.map(
    lambda p, g: p - rate * (g + 0.01 * p), before, gradient
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
    state.params,
    expected,
  )
  for _ in range(4):  # other lengths
    state, _ = experiment.train_call(state, experiment.data)
  assert experiment.train_call._cache_size() == 1


def test_penalties_by_hand():
  rng = np.random.default_rng(0)
  raw = rng.normal(size=(2, 5, 3)).astype(np.float32)
  mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
  found = activation_penalty(raw * 2, raw, 0.5, 3.0, mask)
  for row, length in ((0, 5), (1, 3)):
    h = raw[row, :length]
    expected = 0.5 * (4 * h**2).mean() + 3 * (np.diff(h, axis=0) ** 2).mean()
    assert float(found[row, :length].mean()) == pytest.approx(
      expected, rel=1e-5
    )


def test_how_one_file_is_cut(corpus):
  text = pathlib.Path(corpus).read_text()
  task = CharLMConfig(corpus=corpus, percent=(80, 20, 0)).load(2)
  assert task.record["characters"] == {
    "train": len(text) * 8 // 10,
    "valid": len(text) - len(text) * 8 // 10,
    "test": 0,
  }
  with pytest.raises(Exception, match="test split has fewer than 2"):
    task.evaluation("test", 1)
  for wrong in ((90, 10), (90, 5, 6), (100, 0, 0)):
    with pytest.raises(ConfigError, match="three numbers that give 100"):
      CharLMConfig(percent=wrong).check()
