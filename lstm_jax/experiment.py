"""From a config to everything that a training loop needs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh

from lstm_jax.config import Config
from lstm_jax.data.vocabulary import CharVocabulary
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.layers.dropout import noise_keys
from lstm_jax.tasks.base import Task
from lstm_jax.trained_run import load_run
from lstm_jax.training import optimizers, train_state
from lstm_jax.training.data_parallel import make_mesh
from lstm_jax.training.train_state import TrainState


class Experiment(NamedTuple):
  task: Task
  structure: Any  # nnx.merge(structure, params) is the model
  plateau: optax.GradientTransformationExtraArgs | None
  train_step: Callable  # (state, data) -> (state, metrics)
  mesh: Mesh | None  # devices that share the rows of a batch


def build(
  config: Config,
  vocabulary: CharVocabulary | None = None,
  devices: int = 1,
) -> tuple[Experiment, TrainState]:
  """Loads the data and makes the model and its initial train state.

  vocabulary: that of the run to go on with. Its parameters are about to be
    restored, so that train.init_from is not looked at.
  devices: to split each batch over.

  Raises:
    DataError: the corpus cannot be used.
    RunError, ConfigError: train.init_from is not a run of the same model.
  """
  parent = None
  if config.train.init_from and vocabulary is None:
    try:
      parent = load_run(config.train.init_from)
    except RunError as error:
      raise ConfigError(f"train.init_from: {error}") from None
    vocabulary = parent.vocabulary
  task = config.task.load(config.train.batch_size, vocabulary)
  structure, params = train_state.make_model(
    lambda rngs: config.model.build(len(task.vocabulary), rngs),
    config.train.seed,
  )
  if config.model.engine not in ("auto", "scan"):
    _check_engine(structure, params)
  if parent:
    if problem := train_state.shape_difference(parent.params, params):
      raise ConfigError(
        f"train.init_from: {config.train.init_from} has another model:"
        f" {problem}"
      )
    params = parent.params
  schedule = optimizers.make_schedule(
    config.optimizer, config.train.steps, task.steps_per_epoch
  )
  optimizer = optimizers.make_optimizer(config.optimizer, schedule)
  plateau = optimizers.make_plateau(config.optimizer)
  carry = nnx.merge(structure, params).initial_state(config.train.batch_size)
  state = train_state.init_state(
    params, carry, optimizer, plateau, config.train.seed
  )
  mesh = make_mesh(devices)
  step = train_state.make_train_step(structure, task, optimizer, schedule, mesh)
  state = train_state.place_state(state, mesh)
  return Experiment(task, structure, plateau, step, mesh), state


def _check_engine(structure, params):
  """Raises ConfigError where the engine asked for cannot serve the model."""
  one = jnp.zeros((1, 1), jnp.int32)

  def train(params):
    keys = noise_keys(jax.random.key(0), jnp.arange(1))
    return nnx.merge(structure, params)(one, keys=keys).features

  try:
    jax.eval_shape(train, params)
  except ValueError as error:
    raise ConfigError(f"model.engine: {error}") from None
