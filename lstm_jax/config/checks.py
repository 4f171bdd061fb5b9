"""What the fields of a config say together."""

import operator
from collections.abc import Collection
from typing import Any

from lstm_jax.cells.lstm import LSTM
from lstm_jax.cells.lstm_1997 import LSTM1997
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.registry import MODELS
from lstm_jax.training.optimizers import Schedule

# Noise that is drawn for the units of a whole layer.
_WHOLE = ("cell_input", "weight", "zoneout_h", "zoneout_c")
# Those of the softmax that are computed from all hidden units.
_HEADS = ("project", "sum_layers", "experts", "activation_l2", "slowness_l2")
_HEADS += ("cutoffs", "output_norm")


def check_together(config: Any):
  """Checks a config whose fields are right each by itself.

  Raises:
    ConfigError: names the field, its value, and what it may be.
  """
  config.task.check()
  if config.task.family:
    check_family(config.model, config.task.name, config.task.family)
  config.model.check(config.task)
  _check_unused(config)
  _check_training(config)
  _check_stop(config)
  _check_trials(config)


def check_family(model: Any, task: str, family: str):
  """Raises ConfigError where a model does not read what a task gives."""
  if family not in model.READS:
    able = [
      f'"{name}"' for name, kind in MODELS.items() if family in kind.READS
    ]
    raise ConfigError(
      f'model.name: "{model.name}" does not read the {family} of the task'
      f' "{task}"; take {" or ".join(able)}'
    )


# Fields that some values of another one use, and the others do not.
_USED_BY = {
  "optimizer.name": {
    "momentum": ("momentum",),
    "beta1": ("adam", "adamw"),
    "beta2": ("adam", "adamw"),
    "rms_decay": ("rmsprop",),
    "epsilon": ("adam", "adamw", "rmsprop"),
    "weight_decay": ("adamw",),
  },
  "optimizer.schedule": {
    "final_fraction": ("cosine",),
    "decay": ("step", "milestones", "plateau"),
    "decay_from_epoch": ("step",),
    "decay_epochs": ("milestones",),
    "patience": ("plateau",),
  },
  "train.averaging.name": {"patience": ("non_monotone",)},
  "train.stop.name": {
    "sequences": ("recent", "set"),
    "misses": ("recent", "set"),
    "mean_error": ("recent", "set"),
    "error": ("recent", "set"),
  },
}


def unread(config: Any) -> dict[str, str]:
  """Why nothing reads a field, for each that nothing reads: another one chose a
  cell, rule or schedule that has no use for it."""
  found = {}
  for path, used_by in _USED_BY.items():
    where, _, decider = path.rpartition(".")
    chosen = getattr(operator.attrgetter(where)(config), decider)
    chosen = getattr(chosen, "value", chosen)
    for name, values in used_by.items():
      if chosen not in values:
        found[f"{where}.{name}"] = (
          f'with {path} "{chosen}" nothing reads it; it is for'
          f" {' and '.join(values)}"
        )
  if config.train.trials == 1:
    for name in ("trial_seeds", "trial_learning_rates"):
      found[f"train.{name}"] = "there is one trial; set train.trials"
  of_task = config.task.unread(bool(config.train.init_from))
  found |= {f"task.{name}": why for name, why in of_task.items()}
  model = config.model.unread(config.task)
  return found | {f"model.{name}": why for name, why in model.items()}


def leave_out(config: Any, typed: Collection[str]):
  """Sets what nothing reads to its default. train.steps takes the place of
  epochs that only the config file has.

  typed: names of the fields that were asked for.

  Raises:
    ConfigError: nothing reads one of them.
  """
  train = config.train
  if train.epochs and "train.steps" in typed:
    if "train.epochs" in typed:
      raise ConfigError(
        "train.steps: train.epochs says how many; give one of the two"
      )
    train.epochs = 0
    check_steps(config)
  for path, why in unread(config).items():
    if path in typed:
      way = ", or" if "; set" in why else ";"  # out of it
      raise ConfigError(f"{path}: {why}{way} leave it out")
    where, _, name = path.rpartition(".")
    part = operator.attrgetter(where)(config)
    setattr(part, name, getattr(type(part)(), name))


def _check_unused(config):
  """No option that does nothing."""
  task, output = config.task, getattr(config.model, "output", "linear")
  loss = getattr(task, "loss", "squared_error")
  if output != "linear" and loss != "squared_error":
    raise ConfigError(
      f'model.output: with task.loss "{loss}" the outputs must be "linear"'
    )
  usual = type(task)()
  for name, why in task.unread(False).items():
    if getattr(task, name) != getattr(usual, name):
      raise ConfigError(f"task.{name}: {why}")


def check_steps(config: Any):
  """What train.steps must be.

  Raises:
    ConfigError: it is not.
  """
  train, warmup = config.train, config.optimizer.warmup_steps
  _check_multiple("train.steps", train.steps, train.steps_per_call)
  if warmup >= train.steps:
    raise ConfigError(
      f"optimizer.warmup_steps: {warmup} leaves none of the {train.steps}"
      " train.steps"
    )


def _check_training(config):
  train, run = config.train, config.run
  for where, value in (
    ("train.validate_every", train.validate_every),
    ("run.log_every", run.log_every),
    ("run.save_every", run.save_every),
  ):
    _check_multiple(where, value, train.steps_per_call)
  if not train.epochs:  # else the data must be read to know
    check_steps(config)
  if run.model_parallel > 1:
    _check_model_parallel(config)
  shares = run.devices // run.model_parallel
  if shares and train.batch_size % shares and train.trials == 1:
    raise ConfigError(
      f"run.devices: train.batch_size {train.batch_size} cannot be split over"
      f" {shares}"
    )
  if train.recurrent_from and config.model.name != "sequence_model":
    raise ConfigError(
      'train.recurrent_from: it is for a "sequence_model"; set it to 0'
    )
  if train.update_every == "step" and train.on_non_finite == "skip":
    raise ConfigError(
      'train.on_non_finite: "skip" needs train.update_every "sequence"'
    )
  if train.averaging.name != "never" and train.trials > 1:
    raise ConfigError(
      "train.averaging.name: it follows one validation loss, and there are"
      ' several trials; set it to "never"'
    )
  if bool(config.optimizer.decay_epochs) != (
    config.optimizer.schedule is Schedule.MILESTONES
  ):
    raise ConfigError(
      'optimizer.decay_epochs: give some with the schedule "milestones", and'
      " none with another"
    )
  if train.update_every == "step":
    _check_online(config)


def _check_model_parallel(config):
  """Raises ConfigError where the units of a model cannot be shared."""
  model, train, run = config.model, config.train, config.run
  count, problem = run.model_parallel, None
  used = {name for name in _WHOLE if getattr(model.dropout, name)}
  sizes = {
    "model.hidden_sizes": model.hidden_sizes,
    "model.embedding_size": (getattr(model, "embedding_size", 0),),
  }
  if model.name != "language_model":
    problem = "is for a language_model"
  elif any(type(cell) is not LSTM for cell in model.cells()):
    problem = 'is for layers of the cell "lstm"'
  elif run.devices % count or not run.devices:
    problem = f"needs run.devices to be a multiple of {count}"
  elif odd := [n for n, each in sizes.items() if any(s % count for s in each)]:
    problem = f"needs {odd[0]} to be multiples of {count}"
  elif model.tied:
    problem = "needs model.tied=false"
  elif not model.embedding_size:
    problem = "needs a model.embedding_size"
  elif other := [name for name in _HEADS if getattr(model, name)]:
    problem = f"needs model.{other[0]}={type(getattr(model, other[0]))()}"
  elif train.averaging.name != "never":
    problem = 'needs train.averaging.name="never"'
  elif model.engine == "cudnn":
    problem = 'needs model.engine="scan"'
  elif used:
    problem = f"needs model.dropout.{min(used)}=0"
  elif train.trials > 1:
    problem = "is for one trial"
  elif train.validation_streams % (run.devices // count):
    problem = (
      "needs train.validation_streams to be a multiple of"
      f" {run.devices // count}, the devices that share rows"
    )
  if problem:
    raise ConfigError(f"run.model_parallel: {count} {problem}")


def _check_stop(config):
  train = config.train
  if train.stop.name == "recent" and train.batch_size != 1:
    raise ConfigError(
      'train.stop.name: "recent" judges single sequences; set'
      " train.batch_size=1"
    )
  if train.stop.name != "never" and not config.task.judges_sequences:
    raise ConfigError(
      f'train.stop.name: "{config.task.name}" has no sequences to judge; set it'
      ' to "never"'
    )
  total = getattr(config.task, "evaluation_sequences", 0)
  if train.stop.name == "set" and train.stop.sequences > total:
    raise ConfigError(
      f"train.stop.sequences: {train.stop.sequences} is more than the"
      f" task.evaluation_sequences, {total}"
    )
  if not train.stop.mean_error:
    raise ConfigError("train.stop.mean_error: give at least one bound")


def _check_trials(config):
  train = config.train
  if train.trial_learning_rates and train.trials == 1:
    raise ConfigError(
      "train.trial_learning_rates: there is one trial; set train.trials"
    )
  if train.trial_seeds and (
    train.trials == 1 or len(train.trial_seeds) != train.trials
  ):
    raise ConfigError(
      f"train.trial_seeds: {len(train.trial_seeds)} seeds for {train.trials}"
      " train.trials; give one for each of several, or none"
    )
  if 0 in train.trial_learning_rates:
    raise ConfigError("train.trial_learning_rates: must be above 0")
  if train.trials > 1 and not config.optimizer.learning_rate:
    raise ConfigError("optimizer.learning_rate: must be above 0 with trials")
  if train.trials > 1 and config.model.engine == "cudnn":
    raise ConfigError(
      'model.engine: "cudnn" computes one trial; set it to "auto"'
    )
  if train.trials > 1 and train.init_from:
    raise ConfigError("train.init_from: there are several trials; give none")
  schedule = config.optimizer.schedule
  if train.trials > 1 and schedule is Schedule.PLATEAU:
    raise ConfigError(
      'optimizer.schedule: "plateau" follows one validation loss, and there are'
      " several trials"
    )


def _check_online(config):
  """Raises ConfigError where a config cannot learn at every step."""
  model, train, optimizer = config.model, config.train, config.optimizer
  constant = optimizer.schedule is Schedule.CONSTANT
  problem = None
  cells = model.cells()
  if len(cells) != 1 or not isinstance(cells[0], LSTM1997):
    problem = "is for one layer of lstm_1997"
  elif not cells[0].truncated:
    problem = "needs model.options.truncated"
  elif train.batch_size != 1:
    problem = "needs train.batch_size=1"
  elif not config.task.judges_sequences:
    problem = "needs a task of sequences"
  elif model.dropout != Dropout():
    problem = "has no dropout"
  elif getattr(model, "bidirectional", False):
    problem = "needs model.bidirectional=false"
  elif getattr(model, "pooling", "none") != "none":
    problem = 'needs model.pooling="none"'
  elif train.averaging.name != "never":
    problem = "has no averaging"
  elif optimizer.warmup_steps or not constant:
    problem = "needs a constant learning rate"
  if problem:
    raise ConfigError(f'train.update_every: "step" {problem}')


def _check_multiple(where, value, call):
  if value % call:
    raise ConfigError(
      f"{where}: {value} is no multiple of train.steps_per_call {call}"
    )
