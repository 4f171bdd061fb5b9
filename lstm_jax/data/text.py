"""Text corpora: the standard library, a UTF-8 file, a folder or a zip file."""

import hashlib
import pathlib
import platform
import zipfile
import zlib
from typing import NamedTuple

from lstm_jax.data import stdlib
from lstm_jax.data.known_corpora import SPLITS
from lstm_jax.data.prepared import PREFIX, open_prepared
from lstm_jax.errors import DataError

_LARGEST = 2**30  # bytes of a zip file's texts


class Corpus(NamedTuple):
  texts: dict[str, str] | dict[str, bytes]  # one text a split
  digest: str  # SHA-256 over the three
  source: str  # what it is, for the record


def read_corpus(
  corpus: str,
  percent: tuple[int, ...] = (90, 5, 5),
  *,
  as_bytes: bool = False,
) -> Corpus:
  """Reads a corpus.

  Args:
    corpus: "stdlib"; "tfds:NAME", what scripts.prepare_data has prepared; or a
      UTF-8 text file, cut into train, valid and test in this order; or a
      folder or zip file with train.txt, valid.txt and test.txt, or files whose
      names end so, as ptb.train.txt.
    percent: of one file, for train, valid and test.
    as_bytes: the texts as bytes, which may be anything.

  Raises:
    DataError: a file is missing, empty, unreadable or not UTF-8.
  """
  if corpus.startswith(PREFIX):
    return _read_prepared(corpus, as_bytes)
  if corpus == "stdlib":
    texts = stdlib.read()
    if as_bytes:
      texts = {split: text.encode() for split, text in texts.items()}
    source = f"standard library of Python {platform.python_version()}"
  elif _is_folder(corpus):
    path = pathlib.Path(corpus).expanduser()
    names = _split_names(corpus, [file.name for file in path.iterdir()])
    texts = {split: _read(path / names[split], as_bytes) for split in SPLITS}
    source = str(path)
  elif corpus.endswith(".zip"):
    texts, source = _read_zip(corpus, as_bytes), corpus
  else:
    text = _read(corpus, as_bytes)
    train = len(text) * percent[0] // 100
    valid = len(text) * (percent[0] + percent[1]) // 100
    texts = {
      "train": text[:train],
      "valid": text[train:valid],
      "test": text[valid:],
    }
    source = corpus
  digest = hashlib.sha256()
  for split in SPLITS:
    data = texts[split] if as_bytes else texts[split].encode()
    digest.update(f"{split} {len(data)}\n".encode())
    digest.update(data)
  return Corpus(texts, digest.hexdigest(), source)


def _read_prepared(corpus, as_bytes):
  prepared = open_prepared(corpus)
  texts = {}
  for split in SPLITS:
    data = b"".join(prepared.pieces(split))
    texts[split] = _decode(corpus, data, as_bytes)
  return Corpus(texts, prepared.digest, corpus)


def _is_folder(path: str) -> bool:
  try:
    return pathlib.Path(path).expanduser().is_dir()
  except (OSError, ValueError, RuntimeError):
    return False  # `read_text` says why


def _split_names(source, names) -> dict[str, str]:
  """The file of each split.

  Raises:
    DataError: there is none, or several could be it.
  """
  found = {}
  for split in SPLITS:
    ends = [name for name in names if name.endswith(f"{split}.txt")]
    exact = [name for name in ends if name == f"{split}.txt"]
    if len(exact or ends) != 1:
      what = f"no file ends in {split}.txt"
      if ends:
        what = f"{', '.join(sorted(ends))} all end in {split}.txt"
      raise DataError(
        f"{source}: {what}; it must hold train.txt, valid.txt and test.txt"
      )
    found[split] = (exact or ends)[0]
  return found


def _read_zip(corpus, as_bytes):
  """The three texts of a zip file; nothing is unpacked on disk."""
  try:
    with zipfile.ZipFile(pathlib.Path(corpus).expanduser()) as archive:
      names = _split_names(corpus, archive.namelist())
      size = sum(archive.getinfo(name).file_size for name in names.values())
      if size > _LARGEST:
        raise DataError(f"{corpus}: {size:,} bytes unpacked; unpack it first")
      return {
        split: _decode(f"{corpus}/{name}", archive.read(name), as_bytes)
        for split, name in names.items()
      }
  except FileNotFoundError:
    raise _missing(corpus) from None
  except (
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
  ) as error:
    reason = getattr(error, "strerror", None) or error
    raise DataError(f"{corpus}: cannot be read: {reason}") from None


def _missing(path) -> DataError:
  return DataError(
    f"{path}: no such file; give a UTF-8 text file, or a folder or zip file"
    " with train.txt, valid.txt and test.txt"
  )


def read_text(path: str | pathlib.Path) -> str:
  """A UTF-8 file as it is: line ends are not changed.

  Raises:
    DataError: the file is missing, empty, unreadable or not UTF-8.
  """
  return _read(path, as_bytes=False)


def _read(path, as_bytes):
  try:
    data = pathlib.Path(path).expanduser().read_bytes()
  except FileNotFoundError:
    raise _missing(path) from None
  except (OSError, ValueError, RuntimeError) as error:
    reason = getattr(error, "strerror", None) or error
    raise DataError(f"{path}: cannot be read: {reason}") from None
  return _decode(path, data, as_bytes)


def _decode(path, data: bytes, as_bytes: bool) -> str | bytes:
  if not data:
    raise DataError(f"{path}: the file is empty")
  if as_bytes:
    return data
  try:
    return data.decode("utf-8")
  except UnicodeDecodeError as error:
    raise DataError(
      f"{path}: not UTF-8: byte 0x{data[error.start]:02x} at offset"
      f" {error.start}; convert it first (iconv -t utf-8)"
    ) from None
