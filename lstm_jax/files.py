"""Files that users name, and files that are there whole or not at all."""

import os
import pathlib
import re

from lstm_jax.errors import RunError

# What glob takes for a pattern and TensorStore for a separator, and bytes that
# are no UTF-8. Orbax hands its paths to both.
_MISREAD = re.compile(r"[*?\[\]\\\udc80-\udcff]")


def write_atomically(path: pathlib.Path, text: str):
  """Writes a text file that a kill or a full disk cannot leave half-written.
  Bytes of paths that are no text are escaped.

  What a kill leaves behind is `.NAME.tmp`, which the next write replaces.
  """
  temporary = path.with_name(f".{path.name}.tmp")
  try:
    with temporary.open(
      "w", encoding="utf-8", errors="backslashreplace"
    ) as file:
      file.write(text)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)
  folder = os.open(path.parent, os.O_RDONLY)
  try:
    os.fsync(folder)
  finally:
    os.close(folder)


def existing_path(typed: str) -> pathlib.Path | None:
  """The file or folder that a user typed the name of; None if there is none."""
  try:
    path = pathlib.Path(typed).expanduser()
    return path if typed and path.exists() else None
  except (OSError, ValueError, RuntimeError):  # too long, a NUL, no such user
    return None


def plain_path(directory: pathlib.Path) -> tuple[pathlib.Path, int | None]:
  """A path of a directory that no library misreads, and what holds it open for
  that, to be closed by `os.close`; None where its own path will do.

  Raises:
    RunError: this system has no other.
  """
  misread = _MISREAD.search(str(directory))
  if not misread:
    return directory, None
  handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
  path = pathlib.Path(f"/proc/self/fd/{handle}")
  if path.is_dir():
    return path, handle
  os.close(handle)  # not on Linux
  raise RunError(
    f"{directory}: checkpoints cannot be kept below a folder with"
    f" {misread.group()!r} in its name; take another run directory"
  )
