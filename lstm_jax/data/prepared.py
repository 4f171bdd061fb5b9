"""Corpora that were checked and cut once, beside which their tokens are kept.

DATA/lm_text/NAME/2 has train.txt, valid.txt and test.txt, and corpus.json, what
they are. Up to lstm_jax 0.1 it was NAME/1.0.0, a data set of TFDS's.
"""

import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lstm_jax.data.source_files import pieces, plain_text
from lstm_jax.errors import DataError
from lstm_jax.files import write_atomically

SPLITS = ("train", "valid", "test")
PREFIX = "tfds:"
_FOLDER, _VERSION, _OLD = "lm_text", "2", "1.0.0"
_RECORD = "corpus.json"


class Prepared(NamedTuple):
  path: pathlib.Path
  record: dict  # bytes and SHA-256 of each split

  @property
  def digest(self) -> str:
    return hashlib.sha256(
      json.dumps([self.record[split] for split in SPLITS]).encode()
    ).hexdigest()

  def texts(self, split: str, as_bytes: bool) -> Iterator[str | bytes]:
    """A split in pieces of some 1 MiB, none of which ends inside a word.

    Raises:
      DataError: they cannot be read, or are not UTF-8.
    """
    path = self.path / f"{split}.txt"
    try:
      with path.open("rb") as file:
        for piece in pieces(file, self.record[split]["bytes"]):
          yield piece if as_bytes else plain_text(piece)
    except UnicodeDecodeError as error:
      raise DataError(
        f"{path}: not UTF-8: {error.reason}; read it as bytes, with the task"
        " byte_lm"
      ) from None
    except OSError as error:
      raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def data_folder(folder: str = "") -> pathlib.Path:
  """Where data sets are: `folder`, $TFDS_DATA_DIR, or TFDS's own default."""
  folder = folder or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
  return pathlib.Path(folder).expanduser()


def open_prepared(corpus: str) -> Prepared:
  """The corpus of "tfds:NAME", or of "tfds:FOLDER/NAME" with that data folder.

  Raises:
    DataError: it has not been prepared, or is damaged.
  """
  folder, _, name = corpus.removeprefix(PREFIX).rpartition("/")
  place = data_folder(folder) / _FOLDER / name
  path = place / _VERSION
  todo = f"scripts/prepare_data.py makes it ({name})"
  try:
    record = json.loads((path / _RECORD).read_text("utf-8"))
    for split in SPLITS:
      size = (path / f"{split}.txt").stat().st_size
      if size != record[split]["bytes"] or not record[split]["sha256"]:
        raise ValueError(f"{split}.txt is not as it was written")
  except (FileNotFoundError, NotADirectoryError):
    what = "not prepared yet"
    if (place / _OLD).exists():
      what = "prepared by an older version of lstm_jax; do it again"
    raise DataError(f"{corpus}: {what}: {todo}") from None
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise DataError(
      f"{corpus}: {path / _RECORD} cannot be read: {error}; {todo}"
    ) from None
  return Prepared(path, record)


def write_prepared(
  name: str,
  folder: pathlib.Path,
  splits: dict[str, Callable[[], Iterator[bytes]]],
  check: Callable[[dict], None] = lambda record: None,
) -> pathlib.Path:
  """Writes a corpus, whole or not at all, and returns where.

  splits: of each a function that gives its pieces.
  check: looks at the record before the corpus takes its place.

  Raises:
    DataError: the corpus cannot be written.
  """
  final = folder / _FOLDER / name / _VERSION
  draft = folder / f".preparing-{name}"
  record = {}
  try:
    shutil.rmtree(draft, ignore_errors=True)  # what a kill left
    draft.mkdir(parents=True)
    for split in SPLITS:
      digest, size = hashlib.sha256(), 0
      with (draft / f"{split}.txt").open("wb") as file:
        for piece in splits[split]():
          digest.update(piece)
          size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
      record[split] = {"bytes": size, "sha256": digest.hexdigest()}
    check(record)
    write_atomically(draft / _RECORD, json.dumps(record, indent=1) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(draft, final)
  except OSError as error:
    raise DataError(
      f"{folder}: cannot be written: {error.strerror or error}"
    ) from None
  finally:
    shutil.rmtree(draft, ignore_errors=True)
  return final
