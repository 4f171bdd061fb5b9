"""Commands: flags in, one clear line out when they are wrong.

Flags are absl's, but nothing is global: `parse_flags` and `parse_config` are
functions of argv.
"""

import collections
import enum
import io
import logging
import math
import operator
import os
import pathlib
import re
import signal
import sys
import typing
from collections.abc import Callable
from typing import Any

import jax
from absl import flags

from experiments.config_help import describe_fields
from experiments.console import join_current_directory
from experiments.field_flags import add_flag, new_flags
from lstm_jax.config import Config, user_file
from lstm_jax.config import config as config_lib
from lstm_jax.errors import (
  ConfigError,
  RunError,
  UserError,
  nearest,
  out_of_memory,
)
from lstm_jax.models.registry import as_model

_PLAIN = {
  r"invalid literal for int\(\) with base 10: (.*)": r"must be an integer",
  r"could not convert string to float: (.*)": r"must be a number",
  r"\('Non-boolean argument to boolean flag', .*\)": "must be true or false",
  r"ERROR:: Unable to open flagfile: \[Errno \d+\] ": "cannot be read: ",
}
_PARSERS = {
  bool: flags.BooleanParser(),
  int: flags.IntegerParser(),
  float: flags.FloatParser(),
  str: flags.ArgumentParser(),
}
# What a message of the library would have set: train.batch_size=1.
_FIELD = r"(?<![\w.-])(?=(task|model|optimizer|train|run)(\.\w+)+=)"
_HELP = ("--help", "-h", "-help", "--helpfull", "--helpshort")
_FIELDS = ("config.", "noconfig.")
PLATFORMS = ("cpu", "gpu", "tpu")
EXIT_ERROR, EXIT_SAVED_ON_SIGTERM, EXIT_SAVED_ON_SIGINT = 2, 75, 130


def run_command(main: Callable[[list[str]], int | None]):
  """Runs main(argv) as a process: a UserError is one line and exit code 2."""
  # Orbax logs the traceback of every error that it also raises.
  logging.getLogger("absl").setLevel(logging.CRITICAL)
  sys.unraisablehook = _print_unraisable
  for name in ("stdout", "stderr"):
    if getattr(sys, name) is None:  # closed by the caller
      setattr(sys, name, open(os.devnull, "w"))
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(errors="backslashreplace")
  if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # see __init__.py
    signal.signal(signal.SIGINT, signal.default_int_handler)
  try:
    join_current_directory()
    sys.exit(main(sys.argv) or 0)
  except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
    sys.exit(EXIT_SAVED_ON_SIGINT)
  except Exception as error:
    if not (text := _what_to_mend(error)):
      raise
    print(f"error: {text}", file=sys.stderr)
    sys.exit(EXIT_ERROR)


def _what_to_mend(error: Exception) -> str:
  """A line about what a user can mend; "" of a fault of the program."""
  if isinstance(error, UserError):
    text = re.sub(_FIELD, "--config.", str(error))  # as flags set it
    return re.sub(r"(?<![\w-])(?=extend_to=)", "--", text)
  if isinstance(error, BrokenPipeError):  # the reader of our output has gone
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return "nobody reads the output any more; stopped"
  if isinstance(error, OSError):  # a full disk, a directory that went away
    where = f"{error.filename}: " if error.filename else ""
    return where + (error.strerror or str(error))
  if isinstance(error, jax.errors.JaxRuntimeError | MemoryError):
    return out_of_memory(error)
  return ""


def _print_unraisable(raised):
  """Not what follows a failed save: TensorStore's other writes report to an
  event loop that Orbax has closed."""
  if str(raised.exc_value) != "Event loop is closed":
    sys.__unraisablehook__(raised)


def parse_flags(
  values: flags.FlagValues,
  argv: list[str],
  help_text: str | None,
  required: tuple[str, ...] = (),
) -> flags.FlagValues:
  """Parses argv into `values`; prints help and exits where it asks for it.

  Raises:
    ConfigError: an unknown or missing flag, a wrong value, a stray word.
  """
  if stray := parse_words(values, argv, help_text):
    raise ConfigError(
      f'unexpected word "{stray[0]}"; flags look like --name=value'
    )
  for name in required:
    if not values[name].present or values[name].value in (None, ""):
      raise ConfigError(f"--{name} is missing; --help lists the flags")
  return values


def parse_words(
  values: flags.FlagValues, argv: list[str], help_text: str | None
) -> list[str]:
  """As `parse_flags`, of a command that takes other words too; returns them.

  Raises:
    ConfigError: an unknown flag or a wrong value.
  """
  if _asks_for_help(argv):
    _print_help(values, help_text)
  for name in values:
    if not isinstance(values[name], flags.MultiFlag):
      values[name].allow_overwrite = False  # no flag twice
  try:
    rest = values(_read_flag_files(values, argv))
  except flags.Error as error:
    near = nearest(getattr(error, "flagname", ""), list(values))
    hint = "--help lists the flags"
    if near and "." in near:  # of others absl says it
      hint = f'did you mean "--{near}"?'
    raise ConfigError(f"{_plain(error)}; {hint}") from None
  for name in values:
    flag = values[name]
    if flag.present and flag.value == []:
      raise ConfigError(f"--{name} is empty; give some, or leave it out")
    if isinstance(flag.value, float) and not math.isfinite(flag.value):
      raise ConfigError(f"--{name}: must be finite, got {flag.value}")
  return rest[1:]


def parse_config(
  argv: list[str],
  values: flags.FlagValues | None = None,
  help_text: str | None = "",
  default_file: str = "",
) -> Config:
  """The config of --config=FILE[:variant] and --config.a.b=value, checked.

  Another --config.model.name than the file's has the file's values of the
  fields that both models have.

  Args:
    argv: as sys.argv, the program's name first.
    values: holds the command's other flags, which are parsed too, and `config`.
    help_text: what --help prints above the flags.
    default_file: for a command that needs no --config.

  Raises:
    ConfigError: one line that names the file, field or flag and what is wrong.
  """
  values = new_flags() if values is None else values
  add_flag(values, "config", None, "config file, FILE[:variant]")
  file, overrides, words = _split(_read_flag_files(values, argv))
  file = file or default_file
  asked = bool(file) and _asks_for_help(words)
  if asked:  # when the fields are known
    words = [word for word in words if word not in _HELP]
  parse_flags(values, words, help_text)
  config = load_config_file(file)
  config.model = as_model(config.model, overrides.get("model.name") or "")
  for name, text in overrides.items():
    _set_field(config, name, text)
  config_lib.validate(config, typed=overrides.keys())
  if asked:
    fields = f"\nconfig fields:\n{describe_fields(config)}"
    _print_help(values, (help_text or "") + fields)
  values.config = file
  return config


def _split(argv) -> tuple[str | None, dict[str, str | None], list[str]]:
  """The config file, the text of each field that is set, and the other words.

  The text may be the next word. It is None where there is none.
  """
  files, overrides, rest = [], {}, []
  words = collections.deque(argv)
  while words:
    word = words.popleft()
    name, equals, text = word.partition("=")
    name = name.lstrip("-") if word[:1] == "-" else ""
    if name != "config" and not name.startswith(_FIELDS):
      rest.append(word)
      continue
    if not equals:
      is_text = words and not words[0].startswith("--")
      text = words.popleft() if is_text and name[:2] != "no" else None
    field = name.partition(".")[2]
    if name == "config":
      files.append(text)
    elif field in overrides:
      raise ConfigError(f"--config.{field} is given twice; give it once")
    else:
      overrides[field] = "false" if name[:2] == "no" else text
  if len(files) > 1:
    raise ConfigError(f"--config is given twice: {files[0]} and {files[1]}")
  return (files[0] if files else None), overrides, rest


def load_config_file(file: str | None) -> Config:
  """What get_config(variant) of FILE[:variant] returns.

  Raises:
    ConfigError: no such file or variant, or the file fails.
  """
  if not file:
    raise ConfigError(
      "--config is missing; give a config file, as --config=configs/char_lm.py"
    )
  path, variant = user_file.find_file(file, "configs", "config")
  config = user_file.call_in_file(path, "get_config", "config", variant)
  if not isinstance(config, Config):
    raise ConfigError(
      f"{file}: get_config must return a lstm_jax.config.Config"
    )
  return config


def _set_field(config, path: str, text: str | None):
  """Raises ConfigError: there is no such field, or the text is none of its."""
  known = config_lib.fields(config)
  _check_field(path, known)
  where, _, name = path.rpartition(".")
  part = operator.attrgetter(where)(config)
  kind = typing.get_type_hints(type(part))[name]
  try:
    setattr(part, name, _read_value(kind, text))
  except (ValueError, TypeError):
    raise ConfigError(
      f"{path}: must be {config_lib.type_name(known[path])}, got {text or ''!r}"
    ) from None


def _read_value(kind: Any, text: str | None) -> Any:
  """A value of a declared type from its text; raises ValueError, TypeError."""
  if text is None:
    if kind is bool:  # --config.run.tensorboard
      return True
    raise ValueError
  if typing.get_origin(kind) is tuple:
    element, words = typing.get_args(kind)[0], text.strip("()[]").split(",")
    return tuple(_read_value(element, word) for word in words if word.strip())
  if issubclass(kind, enum.Enum):
    return kind(text.lower())
  return _PARSERS[kind].parse(text)


def _check_field(name, known):
  field, index, _ = name.partition("[")
  if index and field in known:
    raise ConfigError(
      f"{name}: entries cannot be set one by one; give all of them, as"
      f" --config.{field}={config_lib.show(known[field])}"
    )
  if name in known:
    return
  inside = [path for path in known if path.startswith(name + ".")]
  if inside:
    first = ", ".join(inside[:6]) + ", ..." * (len(inside) > 6)
    raise ConfigError(
      f"{name} is a group of fields; set one of {first} (--help lists all)"
    )
  near = nearest(name, list(known))
  hint = f'did you mean "{near}"?' if near else "--help lists them"
  raise ConfigError(f'unknown config field "{name}"; {hint}')


def _asks_for_help(argv) -> bool:
  return any(word in _HELP for word in argv[1:])


def _print_help(values, text):
  print((text or "").strip() + "\n\nflags:")  # none under python -OO
  print(values.get_help())
  sys.exit(0)


def _read_flag_files(values, argv) -> list[str]:
  """The words with those of each --flagfile=FILE in its place."""
  try:
    return values.read_flags_from_files(argv, force_gnu=False)
  except (flags.Error, ValueError) as error:
    raise ConfigError(f"--flagfile: {_plain(error)}") from None


def make_folder(values: flags.FlagValues, name: str) -> pathlib.Path:
  """Makes the folder that a flag names, where it is missing.

  Raises:
    RunError: it cannot be made.
  """
  path = pathlib.Path(str(values[name].value)).expanduser()
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise RunError(
      f"--{name}={path}: cannot be made: {error.strerror}; give another folder"
    ) from None
  return path


def _one_line(error) -> str:
  return " ".join(str(error).split()) or type(error).__name__


def _plain(error) -> str:
  """What absl says, without Python's own words."""
  text = _one_line(error)
  for pattern, words in _PLAIN.items():
    text = re.sub(pattern, words, text)
  return text
