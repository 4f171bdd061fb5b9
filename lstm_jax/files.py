"""Files that users name, and files that are there whole or not at all."""

import os
import pathlib


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
