"""Files of a folder, of a zip or tar archive, or alone, read in pieces."""

import contextlib
import io
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lstm_jax.errors import DataError
from lstm_jax.files import existing_path

PIECE = 2**20  # bytes


class SourceFile(NamedTuple):
  name: str
  size: int
  open: Callable[[], io.BufferedIOBase]


@contextlib.contextmanager
def open_source(source: str) -> Iterator[list[SourceFile]]:
  """The files of a folder, of a zip or tar archive (.tgz, ...), or the one.

  Raises:
    DataError: there is nothing, or it cannot be read.
  """
  path = existing_path(source)
  if path is None:
    raise DataError(f"{source}: no such file or folder")
  try:
    if path.is_dir():
      yield [_plain(file) for file in sorted(path.rglob("*")) if file.is_file()]
    elif zipfile.is_zipfile(path):
      with zipfile.ZipFile(path) as archive:
        yield [
          SourceFile(i.filename, i.file_size, lambda i=i: archive.open(i))
          for i in archive.infolist()
          if not i.is_dir()
        ]
    elif tarfile.is_tarfile(path):
      with tarfile.open(path) as archive:
        yield [
          SourceFile(m.name, m.size, lambda m=m: archive.extractfile(m))
          for m in archive.getmembers()
          if m.isfile()
        ]
    else:
      yield [_plain(path)]
  except (
    *(OSError, EOFError, zipfile.BadZipFile, tarfile.TarError),
    *(zlib.error, RuntimeError, NotImplementedError),
  ) as error:
    if isinstance(error, OSError) and error.filename not in (None, str(path)):
      raise  # about where it is written to
    reason = getattr(error, "strerror", None) or error
    raise DataError(f"{source}: cannot be read: {reason}") from None


def _plain(path: pathlib.Path) -> SourceFile:
  return SourceFile(str(path), path.stat().st_size, lambda: path.open("rb"))


def find(files: list[SourceFile], name: str, source: str) -> SourceFile:
  """The file of this name, in whatever folder.

  Raises:
    DataError: there is none, or there are several.
  """
  found = [f for f in files if pathlib.PurePath(f.name).name == name]
  if len(found) != 1:
    what = "no" if not found else f"{len(found)} files"
    raise DataError(f"{source}: {what} {name} in it")
  return found[0]


def pieces(
  file: io.BufferedIOBase, size: int, piece: int = PIECE
) -> Iterator[bytes]:
  """The next `size` bytes. A piece ends behind a line end, else a space, else
  between two characters, so that it can be decoded and split by itself."""
  rest = b""
  while size:
    data = file.read(min(piece, size))
    if not data:
      break
    size -= len(data)
    data = rest + data
    end = _end(data) if size else len(data)
    rest = data[end:]
    if end:
      yield data[:end]
  if rest:
    yield rest


def _end(data):
  for mark in (b"\n", b" "):
    if (place := data.rfind(mark)) >= 0:
      return place + 1
  end = len(data) - 1
  while end and data[end] & 0xC0 == 0x80:  # inside a character of UTF-8
    end -= 1
  return end
