"""Sequence models of both directions, pooling, and images."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import adding, char_lm
from lstm_jax import GRU, LSTM, ConvLSTM, SequenceModel, bidirectional, unroll
from lstm_jax.config import validate
from lstm_jax.data.inputs import Frames
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout, noise_keys
from lstm_jax.layers.pooling import POOLINGS
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.run.build import build
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.counting import CountingConfig
from lstm_jax.tasks.embedded_reber import EmbeddedReberConfig
from lstm_jax.tasks.long_lag import LongLagConfig
from lstm_jax.tasks.registry import TASKS
from lstm_jax.tasks.selective_copying import SelectiveCopyingConfig
from lstm_jax.tasks.sequence_task import SequenceTaskConfig, asked_at_the_end
from lstm_jax.training.stopping import StopConfig

B, T, D, H = 3, 6, 2, 4
LENGTHS = np.array([6, 4, 1])
MASK = np.arange(T) < LENGTHS[:, None]
X = np.random.default_rng(0).standard_normal((B, T, D)).astype(np.float32)
IMAGES = np.random.default_rng(1).standard_normal((B, T, 4, 3, D))
IMAGES = IMAGES.astype(np.float32)


def make(cells=None, **options):
  options = {"input_size": D, "output_size": 5, "symbols": False} | options
  return SequenceModel(cells or [LSTM(H)], rngs=nnx.Rngs(0), **options)


def plain(layer):
  return {name: param[...] for name, param in layer.items()}


# Both directions


def test_a_bidirectional_model_reads_both_ways():
  model = make(bidirectional=True)
  params = tuple(map(plain, model.stack.layers[0]))
  y, _ = bidirectional((LSTM(H), LSTM(H)), params, X, mask=MASK)
  expected = y @ model.output_w[...] + model.output_b[...]
  found = model(X, mask=MASK).logits()
  np.testing.assert_allclose(found[MASK], expected[MASK], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
  "task",
  [
    EmbeddedReberConfig(),
    CountingConfig(),
    LongLagConfig(),
    LongLagConfig(variant="random"),
  ],
)
def test_a_layer_that_runs_backwards_may_not_see_the_answer(task):
  model = SequenceModelConfig(bidirectional=True)
  with pytest.raises(
    ConfigError, match='model.bidirectional: .*"next|asks for'
  ):
    model.check(task)


def test_tasks_whose_answer_is_no_input_take_both_directions():
  model = SequenceModelConfig(bidirectional=True)
  model.check(LongLagConfig(variant="geometric"))
  model.check(SelectiveCopyingConfig())


def small(**model):
  config = adding.get_config("tiny")
  config.task.length = 11
  config.train.batch_size = 4
  for name, value in model.items():
    setattr(config.model, name, value)
  return validate(config)


def test_trials_of_a_bidirectional_model_are_runs_of_their_own():
  config = small(hidden_sizes=(4,), bidirectional=True, pooling="attention")
  config.train.steps_per_call = 1
  experiment, alone = build(config)
  for _ in range(2):
    alone, _ = experiment.train_call(alone, experiment.data)
  config.train.trials = 2
  experiment, both = build(validate(config))
  for _ in range(2):
    both, _ = experiment.train_call(both, experiment.data)
  first = jax.tree.map(lambda a: a[0], both.params)
  assert jax.tree.structure(first) == jax.tree.structure(alone.params)
  for a, b in zip(*map(jax.tree.leaves, (first, alone.params)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
  "field, value", [("bidirectional", True), ("pooling", "mean")]
)
def test_learning_at_every_step_goes_forwards(field, value):
  options = CellOptions()
  config = small(cell="lstm_1997", hidden_sizes=(4,), options=options)
  config.train.batch_size, config.train.update_every = 1, "step"
  setattr(config.model, field, value)
  with pytest.raises(ConfigError, match=f'"step" needs model.{field}='):
    validate(config)


# Pooling


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("pooling", [*POOLINGS, "attention"])
def test_a_pooled_row_is_the_shorter_sequence(pooling, both):
  model = make(pooling=pooling, bidirectional=both)
  padded = np.where(MASK[..., None], X, np.nan)
  found = model.read(Frames(padded, MASK)).logits()
  for row, n in enumerate(LENGTHS):
    alone = model(X[row : row + 1, :n]).logits()
    expected = np.broadcast_to(alone[0, -1], (T, 5))
    np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


def test_pooling_is_of_the_last_layers_outputs():
  model = make(pooling="max")
  y, _ = unroll(LSTM(H), plain(model.stack.layers[0]), X)
  expected = y.max(1) @ model.output_w[...] + model.output_b[...]
  np.testing.assert_allclose(model(X).logits()[:, 2], expected, rtol=1e-5)


@pytest.mark.parametrize("task", [SelectiveCopyingConfig(), CountingConfig()])
def test_one_output_is_not_enough_for_several_answers(task):
  with pytest.raises(ConfigError, match="model.pooling: .* several answers"):
    SequenceModelConfig(pooling="mean").check(task)


def test_a_pooling_has_no_step_to_skip_from():
  with pytest.raises(ConfigError, match="model.skip: with a model.pooling"):
    small(pooling="last", skip=True)
  with pytest.raises(ValueError, match="skip is for vectors without"):
    make(pooling="last", skip=True)
  with pytest.raises(ValueError, match="pooling must be none"):
    make(pooling="sum")


# Images


@dataclasses.dataclass(slots=True)
class BarsConfig(SequenceTaskConfig):
  """A bar that moves to the left (class 0) or to the right."""

  CHOICES: ClassVar = {"loss": ("cross_entropy",)}
  name: str = "bars"

  def sizes(self):
    return Spec("frames", (3, 5, 1), 2)

  def sample(self, key):
    where, way = jax.random.split(key)
    right = jax.random.bernoulli(way).astype(jnp.int32)
    place = jax.random.randint(where, (), 0, 5)
    columns = (place + jnp.arange(4) * (2 * right - 1)) % 5
    frames = jax.nn.one_hot(columns, 5)[:, None, :, None]
    frames = jnp.broadcast_to(frames, (4, 3, 5, 1))
    return asked_at_the_end(frames, right, 4)


@pytest.fixture(autouse=True)
def known(monkeypatch):
  monkeypatch.setitem(TASKS, "bars", BarsConfig)


def bars(**model):
  config = adding.get_config("tiny")
  config.task = BarsConfig(evaluation_sequences=64)
  config.model = SequenceModelConfig(
    cell="conv_lstm", hidden_sizes=(3, 4), **model
  )
  config.train.batch_size = 16
  config.train.steps_per_call = 1
  return config


def test_images_are_read_by_layers_of_images_and_averaged():
  cells = [ConvLSTM(H, image_size=(4, 3)), ConvLSTM(2, image_size=(4, 3))]
  model = make(cells, input_size=(4, 3, D))
  y = IMAGES
  for cell, layer in zip(cells, model.stack.layers, strict=True):
    y, _ = unroll(cell, plain(layer), y, mask=MASK)
  expected = y.mean((2, 3)) @ model.output_w[...] + model.output_b[...]
  found = model(IMAGES, mask=MASK).logits()
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
  with pytest.raises(
    ValueError, match=r"inputs must be \[batch, time, 4, 3, 2"
  ):
    model(X)


def test_a_config_reaches_images_of_the_tasks_size():
  config = bars(bidirectional=True, pooling="mean", residual=True)
  config.model.options.kernel_size = 5
  config.model.options.peepholes = True
  config.model.dropout = Dropout(
    input=0.1, between=0.1, output=0.1, cell_input=0.1, zoneout_h=0.1
  )
  experiment, state = build(validate(config))
  first = state.params["stack"]["layers"][0][0]
  assert first["w_x"].shape == (5, 5, 1, 12)
  assert first["p_i"].shape == (3, 5, 3)
  state, metrics = experiment.train_call(state, experiment.data)
  assert np.isfinite(float(metrics.gradient_norm))
  assert float(metrics.gradient_norm) > 0


@pytest.mark.slow
def test_a_network_of_images_learns_which_way_a_bar_moves():
  config = bars()
  config.train.stop = StopConfig()  # never
  config.train.steps, config.optimizer.learning_rate = 300, 0.02
  experiment, state = build(validate(config))
  for _ in range(config.train.steps):
    state, metrics = experiment.train_call(state, experiment.data)
  assert float(metrics.sums.nats / metrics.sums.weight) < 0.1


def test_dropout_of_images_is_drawn_for_every_number():
  model = make(
    [ConvLSTM(H, image_size=(4, 3))],
    input_size=(4, 3, D),
    rates=Dropout(input=0.5),
  )
  keys = noise_keys(jax.random.key(0), jnp.arange(B))
  some = model(IMAGES, keys=keys).logits()
  alone = model(
    IMAGES[1:2], keys=noise_keys(jax.random.key(0), jnp.arange(1, 2))
  )
  np.testing.assert_allclose(some[1:2], alone.logits(), rtol=1e-5, atol=1e-6)
  assert np.abs(some - model(IMAGES).logits()).max() > 1e-3


def test_cells_and_inputs_must_go_together():
  config = bars()
  config.model.cell = "conv_lstm,lstm"
  with pytest.raises(ConfigError, match='"lstm" reads vectors'):
    validate(config)
  with pytest.raises(ConfigError, match='"conv_lstm" reads images'):
    small(cell="conv_lstm")
  config = char_lm.get_config("tiny")
  config.model.cell = "conv_lstm"
  with pytest.raises(ConfigError, match='"conv_lstm" reads images'):
    validate(config)
  with pytest.raises(ConfigError, match="model.skip: the inputs are images"):
    build(validate(bars(skip=True)))


def test_a_task_that_must_be_read_first_is_checked_when_it_was(monkeypatch):
  config = bars()
  config.model.cell = "gru"
  monkeypatch.setattr(BarsConfig, "spec", lambda self, assets=None: None)
  monkeypatch.setattr(BarsConfig, "family", "")
  validate(config)
  with pytest.raises(ConfigError, match='"gru" reads vectors'):
    config.model.build(Spec("frames", (3, 5, 1), 2), nnx.Rngs(0))
  assert isinstance(config.model.cells()[0], GRU)
