"""Commands: flags in, one clear line out when they are wrong.

Flags are absl's and the config is ml_collections' `config_flags`, but nothing
is global: `parse_flags` and `parse_config` are functions of argv.
"""

import difflib
import logging
import os
import pathlib
import runpy
import sys
import traceback
from collections.abc import Callable

import jax
from absl import flags
from ml_collections import config_flags

from lstm_jax import config as config_lib
from lstm_jax.config import Config
from lstm_jax.config_checks import check_used
from lstm_jax.errors import ConfigError, UserError, out_of_memory, suggest

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
  try:
    sys.exit(main(sys.argv) or 0)
  except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(EXIT_ERROR)
  except BrokenPipeError:  # the reader of our output has gone
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print("error: nobody reads the output any more; stopped", file=sys.stderr)
    sys.exit(EXIT_ERROR)
  except jax.errors.JaxRuntimeError as error:
    if not (text := out_of_memory(error)):
      raise
    print(f"error: {text}", file=sys.stderr)
    sys.exit(EXIT_ERROR)
  except OSError as error:  # a full disk, a directory that went away
    print(f"error: {error}", file=sys.stderr)
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
    print(help_text.strip() + "\n\nflags:")
    print(values.get_help())
    sys.exit(0)
  try:
    rest = values(argv)
  except flags.Error as error:
    raise ConfigError(_one_line(error) + "; --help lists the flags") from None
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
  file, argv = take_config_flag(argv)
  if file is None and _asks_for_help(argv):
    parse_flags(values, argv, help_text)
  config = load_config_file(file)
  known = config_lib.fields(config)
  overrides = _overrides(argv)
  for name, _ in overrides:
    _check_field(name, known)
  if _asks_for_help(argv):
    help_text += "\nconfig fields:\n" + "\n".join(
      f"  --config.{name}={config_lib.show(value)}"
      for name, value in known.items()
    )
    parse_flags(values, argv, help_text)
  try:
    config_flags.DEFINE_config_dataclass(
      "config", config, flag_values=values, sys_argv=argv
    )
    parse_flags(values, argv, help_text)
  except ConfigError as error:
    wrong = [(n, v) for n, v in overrides if f"--config.{n}" in str(error)]
    if not wrong:
      raise
    raise _wrong_value(known, *wrong[0]) from None
  except Exception as error:  # config_flags raises most kinds there are
    if not overrides:
      raise ConfigError(f"a flag is wrong: {_one_line(error)}") from None
    raise _wrong_value(known, *overrides[0]) from None
  config = config_lib.validate(values["config"].value)
  check_used(config, [name for name, _ in overrides])
  return config


def _asks_for_help(argv) -> bool:
  return any(w in ("--help", "-h", "-help", "--helpfull") for w in argv[1:])


def take_config_flag(argv) -> tuple[str | None, list[str]]:
  """The value of --config and the other words."""
  file, rest, words = None, [], iter(argv)
  for word in words:
    name, equals, value = word.partition("=")
    if name in ("--config", "-config"):
      file = value if equals else next(words, None)
    else:
      rest.append(word)
  return file, rest


def load_config_file(file: str | None) -> Config:
  """What get_config(variant) of FILE[:variant] returns.

  Raises:
    ConfigError: no such file or variant, or the file fails.
  """
  here = sorted(map(str, pathlib.Path("configs").glob("[a-z]*.py")))
  if not file:
    example = here[0] if here else "configs/char_lm.py"
    raise ConfigError(
      f"--config is missing; give a config file, as --config={example}"
    )
  name, _, variant = file.partition(":")
  path = pathlib.Path(name)
  try:
    found = path.is_file()
  except (OSError, ValueError):
    found = False
  if not found:
    near = difflib.get_close_matches(name, here, n=1, cutoff=0.4)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise ConfigError(f"{name}: no such config file{hint}")
  try:
    get_config = runpy.run_path(str(path)).get("get_config")
    if get_config is None:
      raise ConfigError("not a config file: no get_config in it")
    config = get_config(variant) if variant else get_config()
  except Exception as error:
    place = traceback.extract_tb(error.__traceback__)[-1]
    known = isinstance(error, ConfigError)
    where = "" if known else f" (line {place.lineno} of {place.filename})"
    kind = "" if known else f"{type(error).__name__}: "
    raise ConfigError(f"{file}: {kind}{_one_line(error)}{where}") from error
  if not isinstance(config, Config):
    raise ConfigError(
      f"{file}: get_config must return a lstm_jax.config.Config"
    )
  return config


def _overrides(argv) -> list[tuple[str, str]]:
  """(field, value) of each --config.field=value."""
  found = []
  for i, word in enumerate(argv):
    name, equals, value = word.partition("=")
    name = name.lstrip("-")
    if word.startswith("-") and name.startswith(("config.", "noconfig.")):
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
  raise ConfigError(f'unknown config field "{name}"' + suggest(name, known))


def _wrong_value(known, name, value) -> ConfigError:
  return ConfigError(
    f"{name}: must be {config_lib.type_name(known[name])}, got {value!r}"
  )


def _one_line(error) -> str:
  return " ".join(str(error).split()) or type(error).__name__
