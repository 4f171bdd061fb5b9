"""Config and sweep files: Python that a user wrote, whose faults are his."""

import inspect
import os
import pathlib
import runpy
import traceback
from collections.abc import Callable
from typing import Any

import lstm_jax
from lstm_jax.errors import ConfigError, nearest

# The package's own configs are beside the package, in a wheel too.
_ROOT = pathlib.Path(lstm_jax.__file__).parent.parent


def find(file: str, folder: str, kind: str) -> tuple[str, str]:
  """The path and the variant of FILE[:variant]; a path may have colons too.

  folder: where files of this kind are, to suggest one. The package's own are
    found where the current directory has none of that name.

  Raises:
    ConfigError: there is no such file.
  """
  ends = [i for i, letter in enumerate(file) if letter == ":"] + [len(file)]
  for place in ("", f"{_ROOT}/" * file.startswith(f"{folder}/")):
    for end in reversed(ends):
      if _is(os.path.isfile, place + file[:end]):
        return place + file[:end], file[end + 1 :]
  name = file[: ends[0]]
  places = (_ROOT / folder, pathlib.Path(folder))
  stems = sorted({p.stem for at in places for p in at.glob("[!_]*.py")})
  here = {stem: f"{folder}/{stem}.py" for stem in stems}
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
    function = runpy.run_path(path).get(name)
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
