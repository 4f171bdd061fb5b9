"""From a config to everything that a training loop needs."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from lstm_jax.config import Config
from lstm_jax.config.checks import check_family, check_steps
from lstm_jax.config.trials import list_trials
from lstm_jax.data.source import Placed, Source
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.layers.dropout import noise_keys
from lstm_jax.models.base import Keys
from lstm_jax.parallel.rows import COPIES, ROWS, Layout, make_mesh, place
from lstm_jax.run.load import Run, load_run
from lstm_jax.tasks.base import Task
from lstm_jax.training import online, optimizers, trials
from lstm_jax.training.optimizers import Schedule
from lstm_jax.training.state import (
  TrainState,
  init_state,
  make_model,
  shape_difference,
)
from lstm_jax.training.step import make_train_step, rows_of


class Experiment(NamedTuple):
  task: Task
  structure: Any  # nnx.merge(structure, params) is the model
  plateau: optax.GradientTransformationExtraArgs | None
  # (state, data) -> (state, metrics): steps_per_call updates
  train_call: Callable
  source: Source  # of what train_call reads, on its devices
  layout: Layout  # of the devices that share a batch, or the trials
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
    return _reordered(state, self.layout.to_file)

  def from_file(self, state: TrainState) -> TrainState:
    return _reordered(state, self.layout.from_file)


def _reordered(state, change):
  params, opt_state = change((state.params, state.opt_state))
  return state.replace(params=params, opt_state=opt_state)


def build(
  config: Config,
  assets: dict[str, Any] | None = None,
  devices: int = 1,
  resuming: bool = False,
) -> tuple[Experiment, TrainState]:
  """Loads the data and makes the model and its initial train state.

  Where config.train.epochs says how long the run is, config.train.steps is set.

  assets: those of the run to go on with.
  devices: to split each batch over, or the trials where there are several.
  resuming: the parameters are about to be restored, so that train.init_from is
    not looked at.

  Raises:
    DataError: the corpus cannot be used.
    ConfigError: train.init_from cannot be loaded or has another model, the
    engine cannot serve the model, the devices or batches do not fit the data,
    the schedule or train.epochs counts epochs that the task has not.
  """
  settings = config.train
  parent = None
  if settings.init_from and not resuming:
    parent = _load_parent(settings.init_from)
    assets = parent.assets
  task = config.task.load(settings.batch_size, assets)
  _check_task(config, task)
  if settings.epochs and not resuming:
    _count_steps(config, task)
  structure, params = make_model(
    lambda rngs: config.model.build(task.spec, rngs), settings.seed
  )
  if config.model.engine not in ("auto", "scan"):
    _check_engine(task, structure, params)
  if parent:
    params = _taken_over(parent, params, settings.init_from)
  schedule = optimizers.make_schedule(
    config.optimizer, settings.steps, task.steps_per_epoch
  )
  optimizer = optimizers.make_optimizer(config.optimizer, schedule)
  plateau = optimizers.make_plateau(config.optimizer)
  model: Any = nnx.merge(structure, params)
  carry = model.initial_state(settings.batch_size)

  def init(params, seed, rate=1.0):
    return init_state(
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
  layout = _layout(devices, config.run.model_parallel)
  if settings.update_every == "step":
    update = online.make_online_step(
      structure, task, optimizer, schedule, settings.recurrent_from
    )
  else:
    update = make_train_step(
      structure,
      task,
      optimizer,
      schedule,
      Layout() if several else layout,
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
    stacked = _stack_trials(config, task, params, init)
    state = place(stacked, layout.mesh, ROWS)
    if in_turn:
      call = trials.make_turns_call(call, layout.mesh)
    else:
      on_cpu = jax.default_backend() == "cpu"
      call = trials.make_trials_call(call, layout.mesh, by_eights=on_cpu)
  else:
    state = layout.place_state(init(params, settings.seed))
    state = _reordered(state, layout.from_file)
    put = functools.partial(_put_copies, layout.mesh)
    call = jax.jit(call, donate_argnums=0)
  experiment = Experiment(
    task,
    structure,
    plateau,
    call,
    Placed(task.source, put),
    layout,
    settings.steps_per_call,
  )
  return experiment, state


def _put_copies(mesh, tree):
  return place(jax.device_put(tree), mesh, COPIES)


def _load_parent(workdir) -> Run:
  try:
    return load_run(workdir)
  except RunError as error:
    raise ConfigError(f"train.init_from: {error}") from None


def _taken_over(parent, params, workdir):
  """The parent's parameters in place of these."""
  if problem := shape_difference(parent.params, params):
    raise ConfigError(
      f"train.init_from: {workdir} has another model: {problem}"
    )
  return parent.params


def _layout(devices, model_parallel) -> Layout:
  mesh = make_mesh(devices, model_parallel)
  if mesh is None or model_parallel == 1:
    return Layout(mesh)
  from lstm_jax.parallel.units import UnitLayout

  return UnitLayout(mesh)


def _check_task(config, task):
  """Raises ConfigError for what only the data could tell."""
  check_family(config.model, config.task.name, task.spec.family)
  by_epoch = (Schedule.STEP, Schedule.MILESTONES)
  if config.optimizer.schedule in by_epoch and not task.steps_per_epoch:
    raise ConfigError(
      f'optimizer.schedule: "{config.optimizer.schedule.value}" counts epochs,'
      f' and the task "{config.task.name}" has none'
    )


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


def _stack_trials(config, task, params, init) -> TrainState:
  """Each trial starts as a run with its seed would."""
  states = []
  for trial in list_trials(config):
    own = params
    if trial.seed != config.train.seed:
      _, own = make_model(
        lambda rngs: config.model.build(task.spec, rngs), trial.seed
      )
    rate = trial.learning_rate / config.optimizer.learning_rate
    states.append(init(own, trial.seed, rate))
  return trials.stack(states)


def _check_engine(task, structure, params):
  """Raises ConfigError where the engine asked for cannot serve the model on the
  task's batches."""

  def train(params, data):
    batch, _ = task.batch(data, jnp.int32(0), jax.random.key(0))
    keys = noise_keys(jax.random.key(0), jnp.arange(rows_of(batch)))
    model = nnx.merge(structure, params)
    return model.read(batch.inputs, None, Keys(keys, keys)).features

  try:
    jax.eval_shape(train, params, task.source.at(0, 1))
  except ValueError as error:
    raise ConfigError(f"model.engine: {error}") from None
