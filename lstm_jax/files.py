"""Files that are either there whole or not there."""

import os
import pathlib


def write_atomically(path: pathlib.Path, text: str):
  """Writes a text file that a kill or a full disk cannot leave half-written.

  What a kill leaves behind is `.NAME.tmp`, which the next write replaces.
  """
  temporary = path.with_name(f".{path.name}.tmp")
  try:
    with temporary.open("w", encoding="utf-8") as file:
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
