"""Flags for the fields of a small config, such as that of a search."""

import dataclasses
from typing import Any

from absl import flags

from experiments.command_line import add_flag
from experiments.config_help import field_comments
from lstm_jax.config.config import check_leaves


def define_field_flags(
  values: flags.FlagValues, kind: type, prefix: str, usual: str
):
  """A flag for each field of a dataclass.

  usual: what it is without the flag, where that is not the field's default.
  """
  comments = field_comments(kind)
  for field in dataclasses.fields(kind):
    text = f"{comments[field.name]}; {usual or field.default}"
    if choices := getattr(kind, "CHOICES", {}).get(field.name):
      text += f" (one of {', '.join(choices)})"
    add_flag(values, prefix + field.name, field.type, text)


def given_fields(
  values: flags.FlagValues, kind: type, prefix: str
) -> dict[str, Any]:
  """The fields whose flags are given."""
  names = [field.name for field in dataclasses.fields(kind)]
  return {
    name: values[prefix + name].value
    for name in names
    if values[prefix + name].present
  }


def read_fields(values: flags.FlagValues, usual: Any, prefix: str) -> Any:
  """What flags say, and for the others `usual`.

  Raises:
    ConfigError: a flag is out of range, or two do not go together.
  """
  given = given_fields(values, type(usual), prefix)
  config = dataclasses.replace(usual, **given)
  check_leaves(config, f"--{prefix}")
  if hasattr(config, "check"):
    config.check()
  return config
