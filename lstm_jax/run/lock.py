"""One process at a time in a run's directory: its lock file."""

import contextlib
import fcntl
import os
import pathlib
import platform
from collections.abc import Iterator

from lstm_jax.errors import RunError

_LOCK = "lock"


@contextlib.contextmanager
def claim(workdir: str | pathlib.Path) -> Iterator[pathlib.Path]:
  """Makes a run directory, or enters one, for this process alone.

  What it made is removed again if no config was written in the meantime, so
  that a start which fails leaves nothing behind.

  Raises:
    RunError: another process has it, it is not a run directory, or it cannot
      be written.
  """
  missing = []
  try:
    path = pathlib.Path(workdir).expanduser().absolute()
    missing = [p for p in (path, *path.parents) if not p.exists()]
    lock = _lock(path)
  except (OSError, ValueError, RuntimeError) as error:
    _remove_empty(missing)
    reason = getattr(error, "strerror", None) or error
    raise RunError(
      f"{workdir}: cannot be used as run directory: {reason}"
    ) from None
  try:
    entries = {
      entry.name
      for entry in path.iterdir()
      if entry.name != _LOCK and not entry.name.endswith(".tmp")
    }
    if entries and not (path / "config.json").exists():
      (path / _LOCK).unlink()
      raise RunError(
        f"{workdir}: not a run directory: it has {sorted(entries)[0]} but no"
        " config.json; take another run directory"
      )
    try:
      yield path
    finally:
      if not (path / "config.json").exists():
        for left in (path / _LOCK, *path.glob(".*.tmp")):
          left.unlink(missing_ok=True)
        _remove_empty(missing)
  finally:
    os.close(lock)  # which unlocks it


@contextlib.contextmanager
def claim_nothing(workdir: str | pathlib.Path) -> Iterator[pathlib.Path]:
  """`claim` for the other processes of a run, whose first one has the lock."""
  yield pathlib.Path(workdir).expanduser().absolute()


def _lock(path: pathlib.Path) -> int:
  """Makes the directory and locks its lock file.

  Raises:
    RunError: another process holds it.
    OSError: the directory or the file cannot be made.
  """
  while True:
    path.mkdir(parents=True, exist_ok=True)
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
      # A start that failed may have removed the file before we locked it.
      if os.path.samestat(os.fstat(lock), os.stat(path / _LOCK)):
        os.ftruncate(lock, 0)
        holder = f"process {os.getpid()} on {platform.node()}"
        os.write(lock, os.fsencode(holder))
        return lock
    except BlockingIOError:
      if _is_held(lock):  # not for a moment, by `is_locked`
        holder = os.read(lock, 100).decode(errors="replace")
        os.close(lock)
        raise RunError(
          f"{path}: another process is training here ({holder}); wait for it or"
          " take another run directory"
        ) from None
    except FileNotFoundError:
      pass
    os.close(lock)


def read_host(path: pathlib.Path) -> str:
  """The host of the process that trains here, or did last; "" if unknown."""
  try:
    text = os.fsdecode((path / _LOCK).read_bytes())
  except OSError:
    return ""
  return text.partition(" on ")[2]


def is_locked(path: pathlib.Path) -> bool:
  """Whether a process of this host trains here.

  Looks by a shared lock of a moment, which a run that starts waits for.
  """
  try:
    lock = os.open(path / _LOCK, os.O_RDONLY | os.O_NOFOLLOW)
  except OSError:
    return False
  try:
    return _is_held(lock)
  finally:
    os.close(lock)


def _is_held(lock: int) -> bool:
  """Whether another process has the lock of a run, which none can share."""
  try:
    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
  except BlockingIOError:
    return True
  return False


def _remove_empty(paths):
  with contextlib.suppress(OSError):
    for path in paths:  # deepest first
      if path.exists():
        path.rmdir()
