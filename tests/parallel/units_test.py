"""Layers shared by devices compute what one device computes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import make_small_config, sha

from configs import adding
from experiments.train import Plan, train
from lstm_jax import load_run
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.layers import softmax
from lstm_jax.layers.dropout import Dropout
from lstm_jax.parallel.rows import COPIES, make_mesh, split_rows
from lstm_jax.parallel.split_softmax import own_columns, split_cross_entropy
from lstm_jax.run.build import build


def parallel_config(corpus, devices, model_parallel):
  config = make_small_config(corpus)
  config.model.hidden_sizes = (8, 12)
  config.model.embedding_size = 8
  config.model.residual = True
  config.model.dropout = Dropout(
    input=0.1, between=0.1, output=0.1, recurrent=0.2, embedding=0.1
  )
  config.train.batch_size = 8
  config.train.validation_streams = 4
  config.run.devices, config.run.model_parallel = devices, model_parallel
  config.run.sample_length = 0
  return validate(config)


def three_steps(config):
  config.model.options.cap_input_gate = True  # an option of the cell
  experiment, state = build(config, devices=config.run.devices)
  nats, norms = [], []
  for _ in range(3):
    state, metrics = experiment.train_call(state, experiment.data)
    nats.append(float(metrics.sums.nats))
    norms.append(float(metrics.gradient_norm))
  assert experiment.train_call._cache_size() == 1
  evaluate = make_evaluation(
    experiment.structure, experiment.task, "valid", 4, experiment.layout
  )
  sums = evaluate(state.params)
  state = experiment.to_file(state)
  return nats, norms, state.params, state.opt_state, state.carry, sums


@pytest.fixture(scope="module")
def alone(corpus):
  return three_steps(parallel_config(corpus, 1, 1))


@pytest.mark.parametrize(
  "devices, model_parallel",
  [
    (8, 4),
    *(pytest.param(*p, marks=pytest.mark.slow) for p in [(8, 2), (2, 2)]),
  ],
)
def test_a_shared_model_is_the_whole_model(
  corpus, alone, devices, model_parallel
):
  found = three_steps(parallel_config(corpus, devices, model_parallel))
  for a, b in zip(*map(jax.tree.leaves, (found, alone)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_each_device_has_its_part(corpus):
  config = parallel_config(corpus, 8, 4)
  experiment, state = build(config, devices=8)
  _, whole = build(config, devices=1)  # of one device, but for the order
  layer = state.params["stack"]["layers"][1]
  for name, leaf in (*layer.items(), ("c", state.carry[1].c)):
    assert leaf.addressable_shards[0].data.size == leaf.size // (
      8 if name == "c" else 4
    )
  # A device has i f g o of its three units of twelve.
  expected = np.concatenate([np.arange(3) + 12 * gate for gate in range(4)])
  wanted = whole.params["stack"]["layers"][1]["w_x"]
  shard = layer["w_x"].addressable_shards[0].data
  np.testing.assert_array_equal(shard, np.asarray(wanted)[:, expected])
  moment = state.opt_state[1][0].mu["stack"]["layers"][1]["w_h"]
  assert moment.addressable_shards[0].data.shape == (12, 12)
  saved = experiment.to_file(state).params  # as one device would save it
  for a, b in zip(*map(jax.tree.leaves, (saved, whole.params))):
    np.testing.assert_array_equal(a, b)
  back = experiment.from_file(experiment.to_file(state))
  for a, b in zip(*map(jax.tree.leaves, (back.params, state.params))):
    np.testing.assert_array_equal(a, b)
    assert a.sharding == b.sharding


@pytest.mark.parametrize("vocabulary", [9, 12])
def test_the_vocabulary_in_parts(vocabulary):
  """Values and gradients, whether it divides or not."""
  mesh = make_mesh(8, 4)
  keys = jax.random.split(jax.random.key(0), 4)
  features = jax.random.normal(keys[0], (2, 5, 6))
  w = jax.random.normal(keys[1], (6, vocabulary))
  b = jax.random.normal(keys[2], (vocabulary,))
  targets = jax.random.randint(keys[3], (2, 5), 0, vocabulary)
  factor = jnp.arange(1.0, 11.0).reshape(2, 5)

  def whole(features, w, b):
    return (softmax.cross_entropy(features, w, b, targets) * factor).sum()

  def part(features, w, b):
    w, b = own_columns(w, b, "model", vocabulary)
    nll = split_cross_entropy(features, w, b, targets, "model")
    return (nll * factor).sum()

  def every_part(features, w, b):
    value, gradients = jax.value_and_grad(part, (0, 1, 2))(features, w, b)
    return value, jax.lax.psum(gradients, "model")

  split = split_rows(every_part, mesh, (COPIES,) * 3, (COPIES, COPIES))
  expected = jax.value_and_grad(whole, (0, 1, 2))(features, w, b)
  found = jax.jit(split)(features, w, b)
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_run_goes_on_with_another_split(corpus, tmp_path):
  """The checkpoint of 2 x 4 devices is that of one, and of 2 x 2."""
  config = parallel_config(corpus, 8, 4)
  config.train.steps = config.train.validate_every = 2
  config.run.log_every, config.run.save_every = 1, 0
  assert train(Plan(config, str(tmp_path))) == 0
  before = sha(tmp_path)
  config.run.devices, config.run.model_parallel = 1, 1
  assert train(Plan(config, str(tmp_path))) == 0  # nothing left to do
  assert sha(tmp_path) == before
  config.run.devices, config.run.model_parallel = 4, 2
  assert train(Plan(config, str(tmp_path), extend_to=3)) == 0
  run = load_run(tmp_path, "latest")
  assert np.isfinite(run.model(jnp.zeros((1, 4), int)).logits()).all()


@pytest.mark.parametrize(
  "change, message",
  [
    ({"model.cell": "gru"}, 'is for layers of the cell "lstm"'),
    ({"run.devices": 0}, "needs run.devices to be a multiple of 4"),
    ({"run.devices": 6}, "needs run.devices to be a multiple of 4"),
    ({"model.hidden_sizes": (8, 10)}, "model.hidden_sizes to be multiples"),
    ({"model.embedding_size": 6}, "model.embedding_size to be multiples"),
    ({"model.tied": True, "model.hidden_sizes": (8,)}, "model.tied=false"),
    ({"model.engine": "cudnn"}, 'model.engine="scan"'),
    ({"model.dropout.zoneout_c": 0.1}, "model.dropout.zoneout_c=0"),
    ({"train.trials": 2}, "is for one trial"),
    ({"train.validation_streams": 3}, "multiple of 2, the devices that share"),
  ],
)
def test_what_cannot_be_shared_is_refused(corpus, change, message):
  config = parallel_config(corpus, 8, 4)
  for name, value in change.items():
    *groups, field = name.split(".")
    setattr(functools.reduce(getattr, groups, config), field, value)
  with pytest.raises(ConfigError, match="run.model_parallel: 4 .*" + message):
    validate(config)


def test_other_models_are_refused():
  config = adding.get_config("tiny")
  config.run.devices = config.run.model_parallel = 2
  with pytest.raises(ConfigError, match="2 is for a language_model"):
    validate(config)
