"""The flags of a command: a table of them, and the fields of a small config."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

from absl import flags

from experiments.config_help import field_comments
from lstm_jax.config.config import check_leaves

_DEFINE = {
  bool: flags.DEFINE_bool,
  int: flags.DEFINE_integer,
  float: flags.DEFINE_float,
  list: flags.DEFINE_list,
  enum.Enum: flags.DEFINE_enum,
}


def new_flags(**table: tuple) -> flags.FlagValues:
  """The flags of a command, each as `add_flag` takes it, without its name."""
  values = flags.FlagValues()
  for name, row in table.items():
    add_flag(values, name, *row)
  return values


def add_flag(
  values: flags.FlagValues,
  name: str,
  default: Any,
  text: str,
  among: Sequence = (),
):
  """Defines a flag of the kind that its default is.

  default: None is text that is not given, `int` or `float` such a number.
  among: the words that it may be, or the lowest and the highest number, either
    of them None where there is no bound.
  """
  kind, more = type(default), {}
  if isinstance(default, type):
    kind, default = default, None
  if among and kind in (int, float):
    more = {"lower_bound": among[0], "upper_bound": among[1]}
  elif among:
    kind, more = enum.Enum, {"enum_values": among}
  define = _DEFINE.get(kind, flags.DEFINE_string)
  define(name, default, help=text, flag_values=values, **more)


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
