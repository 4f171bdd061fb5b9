"""Config and sweep files: Python that a user wrote, whose faults are his.

A config file may bring a cell or a task of its own, which then has a name as
those of the library have: CELLS["mine"] = MyCell, TASKS["mine"] = MyTaskConfig.
"""

import copy
import dataclasses
import inspect
import os
import pathlib
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

import lstm_jax
from lstm_jax.cells.registry import CELLS
from lstm_jax.errors import ConfigError, nearest
from lstm_jax.tasks.registry import TASKS

_REGISTRIES = (CELLS, TASKS)
Names = list[tuple[dict, str, type]]  # registry, name, and what it names
# The package's own configs are beside the package, in a wheel too.
_ROOT = pathlib.Path(lstm_jax.__file__).parent.parent
# By path and text: each file is run once, so that its classes stay the same.
_files: dict[tuple[str, bytes], tuple[types.ModuleType, Names]] = {}


def find_file(file: str, folder: str, kind: str) -> tuple[str, str]:
  """The path and the variant of FILE[:variant]; a path may have colons too.

  folder: where files of this kind are, to suggest one. The package's own are
    found where the current directory has none of that name.

  Raises:
    ConfigError: there is no such file.
  """
  ends = [i for i, letter in enumerate(file) if letter == ":"] + [len(file)]
  for place in ("", f"{_ROOT}/" * file.startswith(f"{folder}/")):
    for end in reversed(ends):
      if os.path.isfile(place + file[:end]):
        return place + file[:end], file[end + 1 :]
  name = file[: ends[0]]
  places = (_ROOT / folder, pathlib.Path(folder))
  stems = sorted({p.stem for at in places for p in at.glob("[!_]*.py")})
  here = {stem: f"{folder}/{stem}.py" for stem in stems}
  if os.path.isdir(file) or os.path.isdir(name):
    example = next(iter(here.values()), f"{folder}/NAME.py")
    raise ConfigError(f"{file}: is a folder; give a {kind} file, as {example}")
  near = nearest(pathlib.Path(name).stem, list(here))
  hint = f'; did you mean "{here[near]}"?' if near else ""
  if not near and here:
    hint = f"; {folder} has {', '.join([*here][:9])}{', ...' * (len(here) > 9)}"
  raise ConfigError(f"{name}: no such {kind} file{hint}")


def run_file(path: str) -> types.ModuleType:
  """The module that a file is; it is run unless it was.

  Raises:
    ConfigError: names the file, and the line in it, where it fails, or says
      which name of the library it takes.
  """
  where = os.path.realpath(path)
  try:
    source = pathlib.Path(where).read_bytes()
  except OSError as error:
    raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
  if (where, source) not in _files:
    module = types.ModuleType(where)
    module.__file__ = where
    before = [dict(registry) for registry in _REGISTRIES]
    sys.modules[where] = module  # dataclasses look for their module there
    try:
      exec(compile(source, where, "exec"), module.__dict__)
      _files[where, source] = module, _new_names(before)
    except (Exception, SystemExit) as error:
      for registry, known in zip(_REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(known)
      raise _fault(path, error) from error
  module, names = _files[where, source]
  for registry, name, kind in names:
    registry[name] = kind
  return module


def _new_names(before: list[dict]) -> Names:
  found = []
  for registry, known in zip(_REGISTRIES, before, strict=True):
    for name, kind in registry.items():
      if kind is known.get(name):
        continue
      if name in known and known[name].__module__.startswith("lstm_jax."):
        raise ConfigError(f'the library has a "{name}"; name yours otherwise')
      if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ConfigError(f'"{name}" must be a dataclass, got {kind!r}')
      found.append((registry, name, kind))
  return found


def config_file_of(config: Any) -> str:
  """The file that brought the cell or the task of a config; "" where both are
  the library's."""
  cells = getattr(config.model, "cell", "").split(",")
  used = [TASKS[config.task.name], *(CELLS.get(name) for name in cells)]
  for (where, _), (_, names) in _files.items():
    if any(kind in used for *_, kind in names):
      return where
  return ""


def call_in_file(path: str, name: str, kind: str, variant: str) -> Any:
  """What the function `name` of a file returns, with the variant if any.

  Raises:
    ConfigError: names the file, and the line in it, where it fails.
  """
  function = getattr(run_file(path), name, None)
  if not isinstance(function, Callable):
    raise ConfigError(f"{path}: not a {kind} file: no function {name} in it")
  arguments = [variant] if variant else []
  try:
    inspect.signature(function).bind(*arguments)
  except TypeError as error:
    what = f'no variant "{variant}": ' if variant else ""
    raise ConfigError(f"{path}: {what}{name}: {error}") from None
  try:
    return copy.deepcopy(function(*arguments))  # ours to change
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
  return os.path.realpath(filename) == os.path.realpath(path)
