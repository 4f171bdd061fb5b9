"""The config of an experiment: typed, complete, checked, and plain JSON.

A config file returns one, the command line overrides its fields, `validate`
checks what came out, and the run directory keeps it as JSON. Every field has
its value here or in the file; no default hides in code.
"""

import dataclasses
import difflib
import enum
import json
import math
import types
import typing
from typing import Any

from lstm_jax.cells.registry import CELLS
from lstm_jax.errors import ConfigError
from lstm_jax.models.config import MODELS, LanguageModelConfig
from lstm_jax.tasks.char_lm import CharLMConfig
from lstm_jax.tasks.registry import TASKS
from lstm_jax.training.optimizers import OptimizerConfig


@dataclasses.dataclass(slots=True)
class TrainConfig:
  # initial parameters and dropout noise
  seed: int = 0
  # number of updates
  steps: int = 2000
  # parallel streams of text
  batch_size: int = 32
  # updates between validations, each of which saves a checkpoint
  validate_every: int = 400
  # streams the validation split is cut into: more is faster, one is exact
  validation_streams: int = 32
  # run directory to take the initial parameters from; empty is none
  init_from: str = ""


@dataclasses.dataclass(slots=True)
class RunConfig:
  """How a run is carried out. Nothing here changes its numbers, and a resumed
  run may change all of it."""

  # "cpu", "gpu" or "tpu"; empty is the best there is
  platform: str = ""
  # updates between lines of metrics.jsonl
  log_every: int = 20
  # updates between checkpoints besides those of the validations; 0 is none
  save_every: int = 200
  # TensorBoard files
  tensorboard: bool = True
  # keep freed memory in the process (CPU with glibc only): faster
  tune_allocator: bool = True
  # compiled programs are kept here for the next start; "user" is the user's
  # cache directory, empty is nowhere
  compilation_cache: str = "user"
  # characters of a sample to print at the end
  sample_length: int = 400


@dataclasses.dataclass(slots=True)
class Config:
  task: CharLMConfig
  model: LanguageModelConfig
  optimizer: OptimizerConfig
  train: TrainConfig
  run: RunConfig


# Fields with a smallest and a largest value, both allowed.
_RANGES = {
  "task.window": (1, 10**6),
  "task.limit": (0, math.inf),
  "model.hidden_sizes": (1, 10**6),
  "model.embedding_size": (1, 10**6),
  "model.options.forget_bias": (-100, 100),
  "model.dropout": (0, 0.99),
  "model.chunk": (0, 10**6),
  "optimizer.learning_rate": (0, 1e6),
  "optimizer.warmup_steps": (0, 2**31 - 1),
  "optimizer.final_fraction": (0, 1),
  "optimizer.decay": (1e-6, 0.999999),
  "optimizer.decay_from_epoch": (0, 2**31 - 1),
  "optimizer.patience": (1, 2**31 - 1),
  "optimizer.clip_norm": (0, 1e9),
  "optimizer.momentum": (0, 0.999999),
  "optimizer.beta1": (0, 0.999999),
  "optimizer.beta2": (0, 0.999999),
  "optimizer.rms_decay": (0, 0.999999),
  "optimizer.epsilon": (1e-30, 1),
  "optimizer.weight_decay": (0, 1e6),
  "train.seed": (0, 2**32 - 1),
  "train.steps": (1, 2**31 - 1),
  "train.batch_size": (1, 10**6),
  "train.validate_every": (1, 2**31 - 1),
  "train.validation_streams": (1, 10**6),
  "run.log_every": (1, 2**31 - 1),
  "run.save_every": (0, 2**31 - 1),
  "run.sample_length": (0, 10**6),
}

_CHOICES = {
  "task.name": TASKS,
  "model.name": MODELS,
  "model.cell": CELLS,
  "run.platform": ("", "cpu", "gpu", "tpu"),
}


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


def suggest(word: str, known) -> str:
  """ "; did you mean ...?" with the nearest known word, or what is known."""
  known = [str(k) for k in known if str(k)]
  near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
  if not near:  # the last part may be right and the path wrong
    tail = word.rsplit(".", 1)[-1]
    near = [k for k in known if k.rsplit(".", 1)[-1] == tail][:1]
  if near:
    return f'; did you mean "{near[0]}"?'
  return "; known: " + ", ".join(known)


def validate(config: Config) -> Config:
  """Checks every leaf's type, finiteness, range and choice, then what fields
  say together; returns the config.

  Raises:
    ConfigError: names the field, its value, and what it may be.
  """
  _check_types(config, "")
  values = fields(config)
  for path, known in _CHOICES.items():
    if path in values and values[path] not in known:
      raise ConfigError(
        f'{path}: unknown name "{values[path]}"' + suggest(values[path], known)
      )
  for path, (low, high) in _RANGES.items():
    value = values.get(path, low)
    for number in value if isinstance(value, tuple) else (value,):
      if not low <= number <= high:
        most = "" if high == math.inf else f" and at most {high}"
        raise ConfigError(f"{path}: must be at least {low}{most}, got {number}")
  sizes = config.model.hidden_sizes
  if not sizes:
    raise ConfigError("model.hidden_sizes: give at least one layer, as 256,256")
  if config.model.tied and config.model.embedding_size != sizes[-1]:
    raise ConfigError(
      f"model.tied: the embedding ({config.model.embedding_size}) must be as"
      f" wide as the last layer ({sizes[-1]}); set"
      f" --config.model.embedding_size={sizes[-1]}"
    )
  if config.optimizer.warmup_steps >= config.train.steps:
    raise ConfigError(
      f"optimizer.warmup_steps: {config.optimizer.warmup_steps} leaves none of"
      f" the {config.train.steps} train.steps"
    )
  for path in ("task.corpus", "train.init_from", "run.compilation_cache"):
    if "\0" in values[path]:
      raise ConfigError(f"{path}: a path cannot hold a NUL byte")
  return config


def _check_types(value, path):
  hints = typing.get_type_hints(type(value))
  for field in dataclasses.fields(value):
    child, wanted = getattr(value, field.name), hints[field.name]
    where = path + field.name
    if dataclasses.is_dataclass(wanted):
      if type(child) is not wanted:
        raise ConfigError(f"{where}: must be a {wanted.__name__}")
      _check_types(child, where + ".")
      continue
    is_tuple = typing.get_origin(wanted) is tuple
    kind = typing.get_args(wanted)[0] if is_tuple else wanted
    if is_tuple and not isinstance(child, tuple):
      raise ConfigError(f"{where}: must be a tuple, got {child!r}")
    for leaf in child if is_tuple else (child,):
      right = type(leaf) is kind or (kind is float and type(leaf) is int)
      if not right:
        raise ConfigError(f"{where}: must be {_name(kind)}, got {leaf!r}")
      if kind is float and not math.isfinite(leaf):
        raise ConfigError(f"{where}: must be finite, got {leaf}")
    if kind is float and not is_tuple:
      setattr(value, field.name, float(child))  # 1 and 1.0 compare as JSON


def _name(kind) -> str:
  if issubclass(kind, enum.Enum):
    return "one of " + ", ".join(member.value for member in kind)
  return {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "text",
  }[kind]


def to_json(config: Config) -> str:
  """Indented JSON; enums are their values."""
  return json.dumps(
    dataclasses.asdict(config), indent=2, default=lambda member: member.value
  )


def from_json(text: str) -> Config:
  """The config that `to_json` wrote, checked.

  Raises:
    ConfigError: not JSON, a field is missing or unknown, or a value is wrong.
  """
  try:
    return validate(_build(Config, json.loads(text), ""))
  except json.JSONDecodeError as error:
    raise ConfigError(f"not valid JSON: {error}") from None


def _build(kind, value, path):
  """Rebuilds a value of a declared type from JSON."""
  where = path.rstrip(".")
  if dataclasses.is_dataclass(kind):
    if not isinstance(value, dict):
      raise ConfigError(f"{where or 'config'}: must be an object")
    hints = typing.get_type_hints(kind)
    if value.keys() != hints.keys():
      odd = sorted(value.keys() ^ hints.keys())[0]
      what = "missing" if odd in hints else "unknown"
      raise ConfigError(f"{path}{odd}: {what} field")
    config = kind.__new__(kind)  # `validate` says what is wrong with a value
    for name, child in value.items():
      setattr(config, name, _build(hints[name], child, f"{path}{name}."))
    return config
  if isinstance(kind, types.GenericAlias):
    return tuple(value) if isinstance(value, list) else value
  if isinstance(kind, type) and issubclass(kind, enum.Enum):
    try:
      return kind(value)
    except ValueError:
      raise ConfigError(
        f"{where}: must be {_name(kind)}, got {value!r}"
      ) from None
  return value


def differences(old: Config, new: Config, ignore: tuple[str, ...]) -> list[str]:
  """ "train.steps: 100 -> 200" for each field that differs, `run.*` and the
  ignored ones apart."""
  before, after = fields(old), fields(new)
  return [
    f"{path}: {_show(before[path])} -> {_show(after[path])}"
    for path in before
    if not path.startswith("run.")
    and path not in ignore
    and before[path] != after[path]
  ]


def _show(value):
  return value.value if isinstance(value, enum.Enum) else value
