"""Commands: flags in, one clear line out when they are wrong.

Flags are absl's and the config is ml_collections' `config_flags`, but nothing
is global: `parse_flags` and `parse_config` are functions of argv.
"""

import logging
import math
import os
import pathlib
import re
import signal
import sys
from collections.abc import Callable

import jax
from absl import flags
from ml_collections import config_flags

from experiments import user_file
from experiments.config_help import describe_fields
from experiments.console import join_current_directory
from lstm_jax.config import Config
from lstm_jax.config import config as config_lib
from lstm_jax.errors import (
  ConfigError,
  RunError,
  UserError,
  nearest,
  out_of_memory,
)

_PLAIN = {
  r"invalid literal for int\(\) with base 10: (.*)": r"must be an integer",
  r"could not convert string to float: (.*)": r"must be a number",
  r"\('Non-boolean argument to boolean flag', .*\)": "must be true or false",
  r"ERROR:: Unable to open flagfile: \[Errno \d+\] ": "cannot be read: ",
}
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
    stream.reconfigure(errors="backslashreplace")
  if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # see __init__.py
    signal.signal(signal.SIGINT, signal.default_int_handler)
  try:
    join_current_directory()
    sys.exit(main(sys.argv) or 0)
  except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(EXIT_ERROR)
  except BrokenPipeError:  # the reader of our output has gone
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print("error: nobody reads the output any more; stopped", file=sys.stderr)
    sys.exit(EXIT_ERROR)
  except (jax.errors.JaxRuntimeError, MemoryError) as error:
    if not (text := out_of_memory(error)):
      raise
    print(f"error: {text}", file=sys.stderr)
    sys.exit(EXIT_ERROR)
  except OSError as error:  # a full disk, a directory that went away
    text = f"{error.filename}: {error.strerror}" if error.filename else error
    print(f"error: {text}", file=sys.stderr)
    sys.exit(EXIT_ERROR)
  except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
    sys.exit(EXIT_SAVED_ON_SIGINT)


def _print_unraisable(raised):
  """Not what follows a failed save: TensorStore's other writes report to an
  event loop that Orbax has closed."""
  if str(raised.exc_value) != "Event loop is closed":
    sys.__unraisablehook__(raised)


def new_flags() -> flags.FlagValues:
  return flags.FlagValues()


def parse_flags(
  values: flags.FlagValues,
  argv: list[str],
  help_text: str,
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
  values: flags.FlagValues, argv: list[str], help_text: str
) -> list[str]:
  """As `parse_flags`, of a command that takes other words too; returns them.

  Raises:
    ConfigError: an unknown flag or a wrong value.
  """
  if _asks_for_help(argv):
    print((help_text or "").strip() + "\n\nflags:")  # none under python -OO
    print(values.get_help())
    sys.exit(0)
  for name in values:
    if not isinstance(values[name], flags.MultiFlag):
      values[name].allow_overwrite = False  # no flag twice
  try:
    rest = values(_read_flag_files(values, argv))
  except flags.Error as error:
    raise ConfigError(_plain(error) + "; --help lists the flags") from None
  for name in values:
    flag = values[name]
    if flag.present and flag.value == []:
      raise ConfigError(f"--{name} is empty; give some, or leave it out")
    # `config.validate` says so of its fields.
    other = not name.startswith(_FIELDS) and isinstance(flag.value, float)
    if other and not math.isfinite(flag.value):
      raise ConfigError(f"--{name}: must be finite, got {flag.value}")
  return rest[1:]


def parse_config(
  argv: list[str], values: flags.FlagValues | None = None, help_text: str = ""
) -> Config:
  """The config of --config=FILE[:variant] and --config.a.b=value, checked.

  Args:
    argv: as sys.argv, the program's name first.
    values: holds the command's other flags, which are parsed too.
    help_text: what --help prints above the flags.

  Raises:
    ConfigError: one line that names the file, field or flag and what is wrong.
  """
  values = new_flags() if values is None else values
  argv = _read_flag_files(values, argv)
  file, argv = take_config_flag(argv)
  overrides = _overrides(argv)
  if not file:
    _check_other_flags(values, argv, help_text)
  config = load_config_file(file)
  known = config_lib.fields(config)
  for name, _ in overrides:
    _check_field(name, known)
  if len(names := [name for name, _ in overrides]) > len(set(names)):
    twice = next(name for name in names if names.count(name) > 1)
    raise ConfigError(f"--config.{twice} is given twice; give it once")
  asked, words = _asks_for_help(argv), [w for w in argv if w not in _HELP]
  try:
    config_flags.DEFINE_config_dataclass(
      "config", config, flag_values=values, sys_argv=words
    )
    parse_flags(values, words, help_text)
  except ConfigError as error:
    wrong = [(n, v) for n, v in overrides if f"--config.{n}" in str(error)]
    if not wrong:
      raise
    raise _wrong_value(known, *wrong[0]) from None
  except Exception as error:  # config_flags raises most kinds there are
    if not overrides:
      raise ConfigError(f"a flag is wrong: {_one_line(error)}") from None
    raise _wrong_value(known, *overrides[0]) from None
  config = config_lib.validate(values["config"].value, typed=names)
  if asked:
    help_text = f"{help_text or ''}\nconfig fields:\n{describe_fields(config)}"
    parse_flags(values, argv, help_text)
  return config


def _asks_for_help(argv) -> bool:
  return any(word in _HELP for word in argv[1:])


def _read_flag_files(values, argv) -> list[str]:
  """The words with those of each --flagfile=FILE in its place."""
  try:
    return values.read_flags_from_files(argv, force_gnu=False)
  except (flags.Error, ValueError) as error:
    raise ConfigError(f"--flagfile: {_plain(error)}") from None


def take_config_flag(argv) -> tuple[str | None, list[str]]:
  """The value of --config and the other words.

  Raises:
    ConfigError: it is given twice.
  """
  files, rest, words = [], [], iter(argv)
  for word in words:
    name, equals, value = word.partition("=")
    if name in ("--config", "-config"):
      files.append(value if equals else next(words, None))
    else:
      rest.append(word)
  if len(files) > 1:
    raise ConfigError(f"--config is given twice: {files[0]} and {files[1]}")
  return (files[0] if files else None), rest


def _check_other_flags(values, argv, help_text):
  """Names a misspelt flag, which may be why there is no --config; or helps."""
  flags.DEFINE_string(
    "config", None, "config file, FILE[:variant]", flag_values=values
  )
  words = [
    word
    for before, word in zip(["", *argv], argv, strict=False)
    if not _sets_field(word)
    and not (_sets_field(before) and "=" not in before and word[:1] != "-")
  ]
  parse_flags(values, words, help_text)


def load_config_file(file: str | None) -> Config:
  """What get_config(variant) of FILE[:variant] returns.

  Raises:
    ConfigError: no such file or variant, or the file fails.
  """
  if not file:
    raise ConfigError(
      "--config is missing; give a config file, as --config=configs/char_lm.py"
    )
  path, variant = user_file.find(file, "configs", "config")
  config = user_file.call(path, "get_config", "config", variant)
  if not isinstance(config, Config):
    raise ConfigError(
      f"{file}: get_config must return a lstm_jax.config.Config"
    )
  return config


def _sets_field(word: str) -> bool:
  return word[:1] == "-" and word.lstrip("-").startswith(_FIELDS)


def _overrides(argv) -> list[tuple[str, str]]:
  """(field, value) of each --config.field=value."""
  found = []
  for i, word in enumerate(argv):
    name, equals, value = word.partition("=")
    if _sets_field(word):
      value = value if equals else "".join(argv[i + 1 : i + 2])
      found.append((name.partition(".")[2], value))
  return found


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


def _wrong_value(known, name, value) -> ConfigError:
  return ConfigError(
    f"{name}: must be {config_lib.type_name(known[name])}, got {value!r}"
  )


def make_folder(values: flags.FlagValues, name: str) -> pathlib.Path:
  """Makes the folder that a flag names, where it is missing.

  Raises:
    RunError: it cannot be made.
  """
  path = pathlib.Path(values[name].value).expanduser()
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
