"""Files of a folder, of a zip or tar archive, or alone, read in pieces."""

import contextlib
import io
import lzma
import os
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from lstm_jax.errors import DataError
from lstm_jax.files import existing_path

PIECE = 2**20  # bytes
# What a damaged, locked or unknown archive raises, and a file that cannot be
# read.
READ_ERRORS = (
  *(OSError, EOFError, RuntimeError, NotImplementedError),
  *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
)
# White space: line ends and spaces first.
_MARKS = [b"\n", b" "]
_MARKS += [c.encode() for c in map(chr, range(0x3001)) if c.isspace()]
_BESIDE = {"__macosx", "@eadir", "thumbs.db", "desktop.ini", "icon\r"}


class SourceFile(NamedTuple):
  name: str
  size: int
  open: Callable[[], Any]  # a file of bytes


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
      yield [_plain(file) for file in _walk(path)]
    elif zipfile.is_zipfile(path):
      with zipfile.ZipFile(path) as zipped:
        yield [
          SourceFile(i.filename, i.file_size, lambda i=i: zipped.open(i))
          for i in zipped.infolist()
          if not i.is_dir() and not is_beside(i.filename)
        ]
    elif tarfile.is_tarfile(path):
      with tarfile.open(path) as taped:
        yield [
          SourceFile(m.name, m.size, lambda m=m: taped.extractfile(m))
          for m in taped.getmembers()
          if m.isfile() and not is_beside(m.name)
        ]
    else:
      yield [_plain(path)]
  except READ_ERRORS as error:
    if isinstance(error, OSError) and error.filename not in (None, str(path)):
      raise  # about where it is written to
    reason = getattr(error, "strerror", None) or str(error)
    reason = reason or type(error).__name__
    raise DataError(f"{source}: cannot be read: {reason}") from None


def _plain(path: pathlib.Path) -> SourceFile:
  return SourceFile(str(path), path.stat().st_size, lambda: path.open("rb"))


def _walk(folder: pathlib.Path) -> list[pathlib.Path]:
  """All files below, behind links too, each folder once."""
  found, seen = [], set()
  for root, folders, names in os.walk(folder, followlinks=True):
    real = os.path.realpath(root)
    if real in seen:
      folders.clear()
      continue
    seen.add(real)
    paths = [pathlib.Path(root, name) for name in names]
    found += [
      path
      for path in paths
      if path.is_file() and not is_beside(path.relative_to(folder).as_posix())
    ]
  return sorted(found)


def is_beside(name: str) -> bool:
  """Whether systems and editors put such a file beside the data: hidden ones,
  macOS's ._NAME and __MACOSX/, Windows's, backups.

  name: a path inside the folder or archive.
  """
  parts = name.replace("\\", "/").casefold().split("/")
  last = parts[-1]
  return (
    any(p in _BESIDE or (p[:1] == "." and p.strip(".")) for p in parts)
    or last.startswith("~$")
    or last.endswith(("~", ".bak"))
    or (last.startswith("#") and last.endswith("#"))
  )


def choose_files(
  names: Iterable[str], wanted: Sequence[str], source: str
) -> list[str]:
  """The name of each wanted file, in whatever folder: the one that is called
  so, else so but for capitals, else ends so, as ptb.train.txt for train.txt.

  Raises:
    DataError: there is none, or there are several.
  """
  ends = {
    name: name.replace("\\", "/").rpartition("/")[2]
    for name in names
    if not is_beside(name)
  }
  chosen = []
  for file in wanted:
    found = (
      [name for name, end in ends.items() if end == file]
      or [name for name, end in ends.items() if end.lower() == file]
      or [name for name, end in ends.items() if end.lower().endswith(file)]
    )
    if len(found) != 1:
      what = f"no file ends in {file}"
      if found:
        what = f"{', '.join(sorted(found))} all end in {file}"
      raise DataError(f"{source}: {what}; it must hold {', '.join(wanted)}")
    chosen += found
  return chosen


def plain_text(data: bytes) -> str:
  """UTF-8 as text: every line end is LF, and no byte order mark stands before
  it.

  Raises:
    UnicodeDecodeError: it is something else.
  """
  text = data.decode("utf-8").removeprefix("\ufeff")
  return text.replace("\r\n", "\n").replace("\r", "\n")


def pieces(
  file: io.BufferedIOBase, size: int, piece: int = PIECE
) -> Iterator[bytes]:
  """The next `size` bytes. A piece ends behind a line end, else white space,
  else between two characters, so that it can be decoded and split by itself."""
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
  for mark in _MARKS:  # the last byte may be the CR of a CR LF
    last = len(data) - (mark == b"\r")
    if (place := data.rfind(mark, 0, last)) >= 0:
      return place + len(mark)
  end = len(data) - 1
  while end and data[end] & 0xC0 == 0x80:  # inside a character of UTF-8
    end -= 1
  return end
