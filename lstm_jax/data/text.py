"""Text corpora: the standard library, a UTF-8 file, a folder or a zip file."""

import hashlib
import pathlib
import platform
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from lstm_jax.data import stdlib
from lstm_jax.data.cuts import whole_cut
from lstm_jax.data.prepared import PREFIX, SPLITS, open_prepared
from lstm_jax.data.source_files import READ_ERRORS, choose_files, plain_text
from lstm_jax.errors import DataError

Text = str | bytes
_FILES = [f"{split}.txt" for split in SPLITS]

_LARGEST = 2**30  # bytes of a zip file's texts


class Corpus(NamedTuple):
  texts: dict[str, Text]  # one a split, all str or all bytes
  digest: str  # SHA-256 over the three
  source: str  # what it is, for the record


def read_corpus(
  corpus: str,
  percent: tuple[int, ...] = (90, 5, 5),
  *,
  as_bytes: bool = False,
  words: bool = False,
) -> Corpus:
  """Reads a corpus.

  Line ends become LF, and a byte order mark is left out; bytes stay as they
  are, and so do the library's texts.

  Args:
    corpus: "stdlib", or "docstrings" for its documentation alone; "tfds:NAME",
      what scripts.prepare_data has prepared; or a UTF-8 text file, cut into
      train, valid and test in this order; or a folder or zip file with
      train.txt, valid.txt and test.txt, or files whose names end so, as
      ptb.train.txt.
    percent: of one file, for train, valid and test.
    as_bytes: the texts as bytes, which may be anything.
    words: one file is not cut inside a word.

  Raises:
    DataError: a file is missing, empty, unreadable or not UTF-8.
  """
  if corpus.startswith(PREFIX):
    return _read_prepared(corpus, as_bytes)
  texts: dict[str, Text]
  if corpus in stdlib.CORPORA:
    read, what = stdlib.CORPORA[corpus]
    texts = {s: t.encode() if as_bytes else t for s, t in read().items()}
    source = f"{what} of Python {platform.python_version()}"
  elif _is_folder(corpus):
    texts, source = _read_folder(corpus, as_bytes)
  elif corpus.lower().endswith(".zip"):
    texts, source = _read_zip(corpus, as_bytes), corpus
  else:
    text = read_text_file(corpus, as_bytes)
    train, valid = (
      whole_cut(text, len(text) * part // 100, words)
      for part in (percent[0], percent[0] + percent[1])
    )
    texts = {
      "train": text[:train],
      "valid": text[train:valid],
      "test": text[valid:],
    }
    source = corpus
  digest = hashlib.sha256()
  for split in SPLITS:
    text = texts[split]
    data = text.encode() if isinstance(text, str) else text
    digest.update(f"{split} {len(data)}\n".encode())
    digest.update(data)
  return Corpus(texts, digest.hexdigest(), source)


def _read_prepared(corpus, as_bytes) -> Corpus:
  prepared = open_prepared(corpus)
  texts: dict[str, Any] = {}
  for split in SPLITS:
    pieces: Iterator[Any] = prepared.texts(split, as_bytes)
    texts[split] = (b"" if as_bytes else "").join(pieces)
    if not texts[split]:
      raise DataError(f"{corpus}: the {split} split is empty")
  return Corpus(texts, prepared.digest, corpus)


def _is_folder(path: str) -> bool:
  try:
    return pathlib.Path(path).expanduser().is_dir()
  except (OSError, ValueError, RuntimeError):
    return False  # `read_text_file` says why


def _read_folder(corpus, as_bytes):
  path = pathlib.Path(corpus).expanduser()
  try:
    names = [file.name for file in path.iterdir() if file.is_file()]
  except OSError as error:
    raise _unreadable(corpus, error) from None
  chosen = zip(SPLITS, choose_files(names, _FILES, corpus), strict=True)
  texts = {
    split: read_text_file(path / name, as_bytes) for split, name in chosen
  }
  return texts, str(path)


def _read_zip(corpus, as_bytes):
  """The three texts of a zip file; nothing is unpacked on disk."""
  try:
    with zipfile.ZipFile(pathlib.Path(corpus).expanduser()) as archive:
      infos = {i.filename: i for i in archive.infolist() if not i.is_dir()}
      names = choose_files(infos, _FILES, corpus)
      size = sum(infos[name].file_size for name in names)
      if size > _LARGEST:
        raise DataError(f"{corpus}: {size:,} bytes unpacked; unpack it first")
      return {
        split: _decode(f"{corpus}/{name}", archive.read(name), as_bytes)
        for split, name in zip(SPLITS, names, strict=True)
      }
  except FileNotFoundError:
    raise _missing(corpus) from None
  except (*READ_ERRORS, ValueError) as error:
    raise _unreadable(corpus, error) from None


def _unreadable(path, error) -> DataError:
  reason = getattr(error, "strerror", None) or str(error)
  reason = reason or type(error).__name__
  return DataError(f"{path}: cannot be read: {reason}")


def _missing(path) -> DataError:
  return DataError(
    f"{path}: no such file; give a UTF-8 text file, or a folder or zip file"
    " with train.txt, valid.txt and test.txt"
  )


def read_text_file(path: str | pathlib.Path, as_bytes: bool = False) -> Text:
  """A UTF-8 file, as `read_corpus` has it, or its bytes.

  Raises:
    DataError: the file is missing, empty, unreadable or not UTF-8.
  """
  try:
    data = pathlib.Path(path).expanduser().read_bytes()
  except FileNotFoundError:
    raise _missing(path) from None
  except (OSError, ValueError, RuntimeError) as error:
    raise _unreadable(path, error) from None
  return _decode(path, data, as_bytes)


def _decode(path, data: bytes, as_bytes: bool) -> Text:
  try:
    text = data if as_bytes else plain_text(data)
  except UnicodeDecodeError as error:
    raise DataError(
      f"{path}: not UTF-8: byte 0x{data[error.start]:02x} at offset"
      f" {error.start}; convert it first (iconv -t utf-8)"
    ) from None
  if not text:
    raise DataError(f"{path}: the file is empty")
  return text
