"""From a config to everything that a training loop needs."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh

from lstm_jax.config import Config, TrainConfig
from lstm_jax.config.checks import check_steps
from lstm_jax.data.source import Placed, Source
from lstm_jax.data.vocabulary import Vocabulary
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.layers.dropout import noise_keys
from lstm_jax.parallel import units
from lstm_jax.parallel.rows import COPIES, ROWS, make_mesh, place
from lstm_jax.run.load import load_run
from lstm_jax.tasks.base import Task
from lstm_jax.training import online, optimizers, train_state, trials
from lstm_jax.training.optimizers import Schedule
from lstm_jax.training.train_state import TrainState


class Experiment(NamedTuple):
  task: Task
  structure: Any  # nnx.merge(structure, params) is the model
  plateau: optax.GradientTransformationExtraArgs | None
  train_call: (
    Callable  # (state, data) -> (state, metrics): steps_per_call steps
  )
  source: Source  # of what train_call reads, on its devices
  mesh: Mesh | None  # devices that share the rows of a batch, or the trials
  steps_per_call: int = 1

  @property
  def data(self) -> Any:
    """What the first call reads."""
    return self.data_at(0)

  def data_at(self, step: int) -> Any:
    """What the call of updates from this step on reads."""
    return self.source.at(step, self.steps_per_call)

  def to_file(self, state: TrainState) -> TrainState:
    """A state of these devices as checkpoints have it."""
    return train_state.reorder(state, self.mesh, units.to_file)

  def from_file(self, state: TrainState) -> TrainState:
    return train_state.reorder(state, self.mesh, units.to_memory)


def build(
  config: Config,
  vocabulary: Vocabulary | None = None,
  devices: int = 1,
  resuming: bool = False,
) -> tuple[Experiment, TrainState]:
  """Loads the data and makes the model and its initial train state.

  Where config.train.epochs says how long the run is, config.train.steps is set.

  vocabulary: that of the run to go on with, where its task is text.
  devices: to split each batch over, or the trials where there are several.
  resuming: the parameters are about to be restored, so that train.init_from is
    not looked at.

  Raises:
    DataError: the corpus cannot be used.
    RunError, ConfigError: train.init_from is not a run of the same model, or
      the schedule or train.epochs counts epochs that the task has not.
  """
  settings = config.train
  parent = None
  if settings.init_from and not resuming:
    try:
      parent = load_run(settings.init_from)
    except RunError as error:
      raise ConfigError(f"train.init_from: {error}") from None
    vocabulary = parent.vocabulary
  task = config.task.load(settings.batch_size, vocabulary)
  by_epoch = (Schedule.STEP, Schedule.MILESTONES)
  if config.optimizer.schedule in by_epoch and not task.steps_per_epoch:
    raise ConfigError(
      f'optimizer.schedule: "{config.optimizer.schedule.value}" counts epochs,'
      f' and the task "{config.task.name}" has none'
    )
  if settings.epochs and not resuming:
    _count_steps(config, task)
  structure, params = train_state.make_model(
    lambda rngs: config.model.build(task.sizes, rngs), settings.seed
  )
  if config.model.engine not in ("auto", "scan"):
    _check_engine(task, structure, params)
  if parent:
    if problem := train_state.shape_difference(parent.params, params):
      raise ConfigError(
        f"train.init_from: {settings.init_from} has another model: {problem}"
      )
    params = parent.params
  schedule = optimizers.make_schedule(
    config.optimizer, settings.steps, task.steps_per_epoch
  )
  optimizer = optimizers.make_optimizer(config.optimizer, schedule)
  plateau = optimizers.make_plateau(config.optimizer)
  carry = nnx.merge(structure, params).initial_state(settings.batch_size)

  def init(params, seed, rate=1.0):
    return train_state.init_state(
      params,
      carry,
      optimizer,
      plateau,
      seed,
      settings.stop,
      rate,
      settings.averaging,
    )

  several = settings.trials > 1
  in_turn = several and trials.run_in_turn(carry, jax.default_backend())
  if several:
    devices = trials.devices_for(settings.trials, devices, in_turn)
  mesh = make_mesh(devices, config.run.model_parallel)
  if settings.update_every == "step":
    update = online.make_online_step(
      structure, task, optimizer, schedule, settings.recurrent_from
    )
  else:
    update = train_state.make_train_step(
      structure,
      task,
      optimizer,
      schedule,
      None if several else mesh,
      settings.recurrent_from,
      settings.on_non_finite == "skip",
    )
  call = trials.make_call(
    structure,
    task,
    update,
    settings.stop,
    settings.steps_per_call,
    survive=several,
  )
  if several:
    put = jax.device_put
    # On their devices from the start, as a restored state is.
    state = place(_stack_trials(config, task, params, init), mesh, ROWS)
    if in_turn:
      call = trials.make_turns_call(call, mesh)
    else:
      on_cpu = jax.default_backend() == "cpu"
      call = trials.make_trials_call(call, mesh, by_eights=on_cpu)
  else:
    state = train_state.place_state(init(params, settings.seed), mesh)
    state = train_state.reorder(state, mesh, units.to_memory)
    put = functools.partial(_put_copies, mesh)
    call = jax.jit(call, donate_argnums=0)
  experiment = Experiment(
    task,
    structure,
    plateau,
    call,
    Placed(task.source, put),
    mesh,
    settings.steps_per_call,
  )
  return experiment, state


def _put_copies(mesh, tree):
  return place(jax.device_put(tree), mesh, COPIES)


def _count_steps(config, task):
  """Sets train.steps to so many epochs, in whole calls.

  Raises:
    ConfigError: the task has none, or the schedule needs more steps.
  """
  train = config.train
  if not task.steps_per_epoch:
    raise ConfigError(
      f'train.epochs: the task "{config.task.name}" has none; set train.steps'
    )
  calls = -(-train.epochs * task.steps_per_epoch // train.steps_per_call)
  train.steps = calls * train.steps_per_call
  check_steps(config)


def trial_seeds(settings: TrainConfig) -> tuple[int, ...]:
  """The seed of each trial."""
  several = range(settings.seed, settings.seed + settings.trials)
  return settings.trial_seeds or tuple(several)


def _stack_trials(config, task, params, init) -> TrainState:
  """Each trial starts as a run with its seed would."""
  settings, states = config.train, []
  rates = settings.trial_learning_rates or (config.optimizer.learning_rate,)
  for number, seed in enumerate(trial_seeds(settings)):
    own = params
    if seed != settings.seed:
      _, own = train_state.make_model(
        lambda rngs: config.model.build(task.sizes, rngs), seed
      )
    rate = rates[number % len(rates)] / config.optimizer.learning_rate
    states.append(init(own, seed, rate))
  return trials.stack(states)


def _check_engine(task, structure, params):
  """Raises ConfigError where the engine asked for cannot serve the model on the
  task's batches."""

  def train(params, data):
    batch = task.batch(data, jnp.int32(0), jax.random.key(0))
    keys = noise_keys(jax.random.key(0), jnp.arange(len(batch.inputs)))
    model = nnx.merge(structure, params)
    return model(batch.inputs, mask=batch.mask, keys=keys).features

  try:
    jax.eval_shape(train, params, task.train)
  except ValueError as error:
    raise ConfigError(f"model.engine: {error}") from None
