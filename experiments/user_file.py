"""Config and sweep files: Python that a user wrote, whose faults are his."""

import inspect
import os
import pathlib
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from lstm_jax.errors import ConfigError, nearest


def find(file: str, folder: str, kind: str) -> tuple[str, str]:
  """The path and the variant of FILE[:variant]; a path may have colons too.

  folder: where files of this kind are, to suggest one.

  Raises:
    ConfigError: there is no such file.
  """
  ends = [i for i, letter in enumerate(file) if letter == ":"] + [len(file)]
  for end in reversed(ends):
    if _is(os.path.isfile, file[:end]):
      return file[:end], file[end + 1 :]
  name = file[: ends[0]]
  here = {p.stem: str(p) for p in sorted(pathlib.Path(folder).glob("*.py"))}
  here = {stem: path for stem, path in here.items() if stem[0] != "_"}
  if _is(os.path.isdir, file) or _is(os.path.isdir, name):
    example = next(iter(here.values()), f"{folder}/NAME.py")
    raise ConfigError(f"{file}: is a folder; give a {kind} file, as {example}")
  near = nearest(pathlib.Path(name).stem, list(here))
  hint = f'; did you mean "{here[near]}"?' if near else ""
  if not near and here:
    hint = f"; {folder} has {', '.join([*here][:9])}{', ...' * (len(here) > 9)}"
  raise ConfigError(f"{name}: no such {kind} file{hint}")


def call(path: str, name: str, kind: str, variant: str) -> Any:
  """Runs a file and calls its function `name`, with the variant if any.

  Raises:
    ConfigError: names the file, and the line in it, where it fails.
  """
  try:
    function = _run(path).get(name)
  except (Exception, SystemExit) as error:
    raise _fault(path, error) from error
  if not isinstance(function, Callable):
    raise ConfigError(f"{path}: not a {kind} file: no function {name} in it")
  arguments = [variant] if variant else []
  try:
    inspect.signature(function).bind(*arguments)
  except TypeError as error:
    what = f'no variant "{variant}": ' if variant else ""
    raise ConfigError(f"{path}: {what}{name}: {error}") from None
  try:
    return function(*arguments)
  except (Exception, SystemExit) as error:
    raise _fault(path, error) from error


def _run(path: str) -> dict[str, Any]:
  """What a file defines. It is a module like others, so that the source of its
  classes can be found, which has the comments that --help prints."""
  module = types.ModuleType(f"the file {path}")
  module.__file__ = path
  sys.modules[module.__name__] = module
  code = pathlib.Path(path).read_bytes()
  exec(compile(code, path, "exec"), vars(module))
  return vars(module)


def _fault(path: str, error: BaseException) -> ConfigError:
  """What went wrong in a user's file, and in which of its lines."""
  text = " ".join(str(error).split())
  if isinstance(error, ConfigError):
    return ConfigError(f"{path}: {text}")
  # The last line of the file that was run: deeper ones are a library's.
  frames = traceback.extract_tb(error.__traceback__)
  lines = [f.lineno for f in frames if _same(f.filename, path)]
  where, line = path, lines[-1] if lines else None
  if isinstance(error, SyntaxError):
    text = error.msg
    if error.lineno:
      where, line = error.filename or path, error.lineno
  place = f" (line {line})" if line else ""
  if not _same(where, path):  # of a file that it imports
    place = f" (line {line} of {where})"
  kind = type(error).__name__
  return ConfigError(f"{path}: {kind}{': ' * bool(text)}{text}{place}")


def _same(filename: str, path: str) -> bool:
  return os.path.abspath(filename) == os.path.abspath(path)


def _is(test: Callable[[str], bool], path: str) -> bool:
  try:
    return test(path)
  except (OSError, ValueError):  # too long, a NUL
    return False
