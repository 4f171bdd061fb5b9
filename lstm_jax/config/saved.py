"""A config as JSON, and back."""

import dataclasses
import enum
import json
import types
from typing import Any

from lstm_jax.config.config import (
  BY_NAME,
  Config,
  check_choice,
  declared_types,
  example_of,
  validate,
)
from lstm_jax.errors import ConfigError
from lstm_jax.models import cell_options
from lstm_jax.models.config import RecurrentConfig


def to_json(config: Config) -> str:
  """Indented JSON; enums are their values. Options of other cells than the
  model's are left out."""
  plain = dataclasses.asdict(config)
  if isinstance(config.model, RecurrentConfig):
    plain["model"]["options"] = config.model.options_to_keep()
  return json.dumps(plain, indent=2, default=lambda member: member.value)


def from_json(text: str) -> Config:
  """The config that `to_json` wrote, checked. One of an older version may lack
  fields that have a default.

  Raises:
    ConfigError: not JSON, a field is missing or unknown, or a value is wrong.
  """
  try:
    return validate(_build(Config, json.loads(text), ""))
  except json.JSONDecodeError as error:
    raise ConfigError(f"not valid JSON: {error}") from None


def _build(kind: Any, value: Any, path: str) -> Any:
  """Rebuilds a value of a declared type from JSON."""
  where = path.rstrip(".")
  if kind is cell_options.CellOptions:
    kind = cell_options.options_class()
  if isinstance(kind, type) and dataclasses.is_dataclass(kind):
    if not isinstance(value, dict):
      raise ConfigError(f"{where or 'config'}: must be an object")
    hints = declared_types(kind)
    if kind is Config:
      for name, known in BY_NAME.items():
        chosen = value.get(name)
        if isinstance(chosen, dict):
          if "name" not in chosen:
            raise ConfigError(f"{name}.name: missing field")
          check_choice(f"{name}.name", chosen["name"], known)
          hints[name] = known[chosen["name"]]
          if isinstance(cells := chosen.get("cell"), str):
            cell_options.check_cells(cells.split(","))
    if unknown := sorted(value.keys() - hints.keys()):
      raise ConfigError(f"{path}{unknown[0]}: unknown field")
    config = kind.__new__(kind)  # `validate` says what is wrong with a value
    for field in dataclasses.fields(kind):
      name = field.name
      if name in value:
        child = _build(hints[name], value[name], f"{path}{name}.")
      else:
        child = _default(field, path)
      setattr(config, name, child)
    return config
  if isinstance(kind, types.GenericAlias):
    return tuple(value) if isinstance(value, list) else value
  if isinstance(kind, type) and issubclass(kind, enum.Enum):
    try:
      return kind(value)
    except ValueError:
      raise ConfigError(
        f"{where}: must be {example_of(kind)}, got {value!r}"
      ) from None
  return value


def _default(field: dataclasses.Field, path: str):
  """Of a field newer than the saved config: what was done before it."""
  if field.default is not dataclasses.MISSING:
    return field.default
  if field.default_factory is not dataclasses.MISSING:
    return field.default_factory()
  raise ConfigError(f"{path}{field.name}: missing field")
