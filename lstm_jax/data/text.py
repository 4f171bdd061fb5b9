"""Text corpora: the standard library, a UTF-8 file, or a folder of splits."""

import hashlib
import pathlib
import platform
from typing import NamedTuple

from lstm_jax.data import stdlib
from lstm_jax.errors import DataError

SPLITS = ("train", "valid", "test")


class Corpus(NamedTuple):
  texts: dict[str, str]  # one text a split
  digest: str  # SHA-256 over the three
  source: str  # what it is, for the record


def read_corpus(corpus: str) -> Corpus:
  """Reads a corpus.

  Args:
    corpus: "stdlib"; or a UTF-8 text file, cut into 90 % train, 5 % valid and
      5 % test in this order; or a folder with train.txt, valid.txt, test.txt.

  Raises:
    DataError: a file is missing, empty, unreadable or not UTF-8.
  """
  if corpus == "stdlib":
    texts = stdlib.read()
    source = f"standard library of Python {platform.python_version()}"
  elif _is_folder(corpus):
    path = pathlib.Path(corpus).expanduser()
    texts = {split: read_text(path / f"{split}.txt") for split in SPLITS}
    source = str(path)
  else:
    text = read_text(corpus)
    train, valid = len(text) * 90 // 100, len(text) * 95 // 100
    texts = {
      "train": text[:train],
      "valid": text[train:valid],
      "test": text[valid:],
    }
    source = corpus
  digest = hashlib.sha256()
  for split in SPLITS:
    data = texts[split].encode()
    digest.update(f"{split} {len(data)}\n".encode())
    digest.update(data)
  return Corpus(texts, digest.hexdigest(), source)


def _is_folder(path: str) -> bool:
  try:
    return pathlib.Path(path).expanduser().is_dir()
  except (OSError, ValueError, RuntimeError):
    return False  # `read_text` says why


def read_text(path: str | pathlib.Path) -> str:
  """A UTF-8 file as it is: line ends are not changed.

  Raises:
    DataError: the file is missing, empty, unreadable or not UTF-8.
  """
  try:
    data = pathlib.Path(path).expanduser().read_bytes()
  except FileNotFoundError:
    raise DataError(
      f"{path}: no such file; give a UTF-8 text file or a folder with"
      " train.txt, valid.txt and test.txt"
    ) from None
  except (OSError, ValueError, RuntimeError) as error:
    reason = getattr(error, "strerror", None) or error
    raise DataError(f"{path}: cannot be read: {reason}") from None
  if not data:
    raise DataError(f"{path}: the file is empty")
  try:
    return data.decode("utf-8")
  except UnicodeDecodeError as error:
    raise DataError(
      f"{path}: not UTF-8: byte 0x{data[error.start]:02x} at offset"
      f" {error.start}; convert it first (iconv -t utf-8)"
    ) from None
