"""The config of an experiment: typed, complete and checked.

A config file returns one, the command line overrides its fields, `validate`
checks what came out, and the run directory keeps it as JSON. Every field has
its value here or in the file; no default hides in code.
"""

import dataclasses
import enum
import math
import typing
from collections.abc import Collection
from typing import Any, ClassVar

from lstm_jax.config import checks
from lstm_jax.errors import ConfigError, suggest
from lstm_jax.models.base import ModelConfig
from lstm_jax.models.registry import MODELS
from lstm_jax.tasks.base import TaskConfig
from lstm_jax.tasks.registry import TASKS
from lstm_jax.training.averaging import AveragingConfig
from lstm_jax.training.optimizers import OptimizerConfig
from lstm_jax.training.stopping import StopConfig


@dataclasses.dataclass(slots=True)
class TrainConfig:
  CHOICES: ClassVar = {
    "update_every": ("sequence", "step"),
    "on_non_finite": ("stop", "skip"),
  }
  RANGES: ClassVar = {
    "seed": (0, 2**32 - 1),
    "steps": (1, 2**31 - 1),
    "epochs": (0, 10**6),
    "batch_size": (1, 10**6),
    "validate_every": (0, 2**31 - 1),
    "validation_streams": (1, 10**6),
    "trials": (1, 10**4),
    "trial_learning_rates": (0, 10**6),
    "trial_seeds": (0, 2**32 - 1),
    "steps_per_call": (1, 10**6),
    "recurrent_from": (0, 2**31 - 1),
  }

  # initial parameters and dropout noise
  seed: int = 0
  # number of updates; with epochs it is set when the data has been read
  steps: int = 1000
  # passes through the training split, in place of steps; 0 is none
  epochs: int = 0
  # parallel streams of text
  batch_size: int = 32
  # updates between validations, each of which saves a checkpoint; 0 is a tenth
  # of the run
  validate_every: int = 100
  # streams the validation split is cut into: more is faster, one is exact
  validation_streams: int = 32
  # run directory to take the initial parameters from; empty is none
  init_from: str = ""
  # runs side by side in one program, with the seeds seed, seed + 1, ...
  trials: int = 1
  # their learning rates in turn; none is that of the optimiser for all
  trial_learning_rates: tuple[float, ...] = ()
  # and other seeds, one for each; none is seed, seed + 1, ...
  trial_seeds: tuple[int, ...] = ()
  # updates in one program; more of them for small networks
  steps_per_call: int = 1
  # "sequence" or window, or "step": an update after every time step, for one
  # layer of lstm_1997, whose gradient has a forward form
  update_every: str = "sequence"
  # updates after which the recurrent layers of a sequence_model, and the
  # weights that read them, begin to learn; until then the rest of the network
  # does what it can
  recurrent_from: int = 0
  # "stop" where a loss or gradient is not finite, or "skip" that update
  on_non_finite: str = "stop"
  # averages of the parameters over the updates
  averaging: AveragingConfig = dataclasses.field(
    default_factory=AveragingConfig
  )
  # when a run, or a trial, ends before its last step
  stop: StopConfig = dataclasses.field(default_factory=StopConfig)

  def validation_interval(self) -> int:
    """`validate_every`, or what 0 stands for: whole calls, at least one."""
    call = self.steps_per_call
    return self.validate_every or max(self.steps // 10 // call, 1) * call


@dataclasses.dataclass(slots=True)
class RunConfig:
  """How a run is carried out. Nothing here changes its numbers but by float32
  rounding (platform, devices), and a resumed run may change all of it."""

  CHOICES: ClassVar = {"platform": ("", "cpu", "gpu", "tpu")}
  RANGES: ClassVar = {
    "log_every": (1, 2**31 - 1),
    "save_every": (0, 2**31 - 1),
    "sample_length": (0, 10**6),
    "devices": (0, 10**6),
    "model_parallel": (1, 10**6),
    "threads": (0, 10**6),
  }

  # "cpu", "gpu" or "tpu"; empty is the best there is
  platform: str = ""
  # devices that share the rows of each batch; on CPU these are cores. 0 is one,
  # but as many as there are on a CPU where the layers are small
  devices: int = 0
  # how many of the devices share the hidden units of each layer and the
  # vocabulary, for layers of lstm too large for one
  model_parallel: int = 1
  # threads of the CPU; 0 is one a core
  threads: int = 0
  # updates between lines of metrics.jsonl
  log_every: int = 20
  # updates between checkpoints besides those of the validations; 0 is none
  save_every: int = 200
  # TensorBoard files
  tensorboard: bool = True
  # a project of Weights & Biases, whose files are written too (offline, unless
  # WANDB_MODE says otherwise); empty is none
  wandb: str = ""
  # keep freed memory in the process (CPU with glibc only): faster
  tune_allocator: bool = True
  # compiled programs are kept here for the next start; "user" is the user's
  # cache directory, empty is nowhere
  compilation_cache: str = "user"
  # characters of a sample to print at the end
  sample_length: int = 400


@dataclasses.dataclass(slots=True)
class Config:
  task: TaskConfig  # one of TASKS
  model: ModelConfig  # one of MODELS
  optimizer: OptimizerConfig
  train: TrainConfig
  run: RunConfig


# The class of these two is chosen by their `name`.
BY_NAME = {"task": TASKS, "model": MODELS}


def fields(config: Any, prefix: str = "") -> dict[str, Any]:
  """Every leaf of a config as {"train.steps": 2000, ...}."""
  leaves = {}
  for field in dataclasses.fields(config):
    value, path = getattr(config, field.name), prefix + field.name
    if dataclasses.is_dataclass(value):
      leaves |= fields(value, path + ".")
    else:
      leaves[path] = value
  return leaves


def validate(config: Config, typed: Collection[str] | None = None) -> Config:
  """Checks every leaf's type, finiteness, range and choice, then what fields
  say together; returns the config.

  typed: fields that the user set himself, where the others are a config file's.
    What nothing reads then, such as an option that the cell does not take,
    becomes its default again, unless it was typed.

  Raises:
    ConfigError: names the field, its value, and what it may be.
  """
  check_leaves(config, "")
  if typed is not None:
    checks.leave_out(config, typed)
  checks.check_together(config)
  return config


def declared_types(kind: Any) -> dict[str, Any]:
  """Those of a dataclass's fields."""
  return {
    field.name: typing.get_type_hints(kind)[field.name]
    for field in dataclasses.fields(kind)
  }


def check_leaves(config: Any, path: str):
  """Checks types, ranges and choices of a dataclass and those inside it.

  path: what stands before the names of its fields, as "train.".

  Raises:
    ConfigError: names the field, its value, and what it may be.
  """
  for name, wanted in declared_types(type(config)).items():
    value: Any = getattr(config, name)
    where = path + name
    if name in BY_NAME and not path:
      chosen = getattr(value, "name", None)
      check_choice(where + ".name", chosen, BY_NAME[name])
      wanted = BY_NAME[name][str(chosen)]
      if type(value) is not wanted:
        raise ConfigError(
          f"{where}.name: the config file makes a {type(value).__name__}, which"
          f' cannot become a "{chosen}"; take another config file'
        )
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
      if not isinstance(value, wanted):
        raise ConfigError(f"{where}: must be a {wanted.__name__}")
      check_leaves(value, where + ".")
      continue
    _check_type(where, value, wanted)
    if wanted == tuple[float, ...]:
      setattr(config, name, tuple(map(float, value)))
    elif type(value) is int and wanted is float:
      setattr(config, name, float(value))  # 1 and 1.0 compare as JSON
    if name in getattr(config, "CHOICES", ()):
      check_choice(where, value, config.CHOICES[name])
    if isinstance(value, str) and "\0" in value:
      raise ConfigError(f"{where}: a NUL byte in {value!r}")
    if name in getattr(config, "RANGES", ()):
      low, high = config.RANGES[name]
      for number in value if isinstance(value, tuple) else (value,):
        if not low <= number <= high:
          raise ConfigError(
            f"{where}: must be at least {low} and at most {high}, got {number}"
          )


def check_choice(where: str, value: Any, known: Collection[str]):
  """Raises ConfigError where a value is none of the known names."""
  if not isinstance(value, str) or value not in known:
    raise ConfigError(
      f'{where}: unknown name "{value}"' + suggest(str(value), known)
    )


def _check_type(where: str, value: Any, wanted: Any):
  kind, leaves = wanted, (value,)
  if typing.get_origin(wanted) is tuple:
    kind, leaves = typing.get_args(wanted)[0], value
    if not isinstance(value, tuple):
      raise ConfigError(f"{where}: must be {_tuple_name(kind)}, got {value!r}")
  for leaf in leaves:
    if not (type(leaf) is kind or (kind is float and type(leaf) is int)):
      wanted, got = example_of(kind), value
      if leaves is value:
        wanted, got = _tuple_name(kind), show(value)
      raise ConfigError(f"{where}: must be {wanted}, got {got!r}")
    if kind is float and not math.isfinite(leaf):
      raise ConfigError(f"{where}: must be finite, got {leaf}")


def example_of(kind: Any) -> str:
  """What a field of a type must be, in words."""
  return type_name(next(iter(kind)) if issubclass(kind, enum.Enum) else kind())


def type_name(value: Any) -> str:
  """What a field that holds such a value must be, in words."""
  if isinstance(value, enum.Enum):
    return "one of " + ", ".join(member.value for member in type(value))
  if isinstance(value, tuple):
    return _tuple_name(type(value[0]) if value else float)
  return {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "text",
  }[type(value)]


def _tuple_name(kind) -> str:
  return {int: "integers", float: "numbers"}[kind] + " with commas between them"


def show(value: Any) -> str:
  """A field's value as the command line takes it."""
  if isinstance(value, tuple):
    return ",".join(map(str, value))
  if isinstance(value, enum.Enum):
    return value.value
  return str(value).lower() if isinstance(value, bool) else str(value)
