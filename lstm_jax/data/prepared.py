"""Corpora that scripts.prepare_data has made data sets of TFDS of.

They are prepared and read without TensorFlow, as array_record files. An example
is a piece of text, some 1 MiB, as bytes.
"""

import contextlib
import hashlib
import importlib
import io
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from lstm_jax.data.known_corpora import SPLITS, how_to_prepare
from lstm_jax.errors import DataError
from lstm_jax.files import write_atomically

PREFIX = "tfds:"
_BUILDER, _VERSION, _RECORD = "lm_text", "1.0.0", "corpus.json"


class Prepared(NamedTuple):
  path: pathlib.Path
  record: dict  # bytes and SHA-256 of each split

  @property
  def digest(self) -> str:
    return hashlib.sha256(
      json.dumps([self.record[split] for split in SPLITS]).encode()
    ).hexdigest()

  def pieces(self, split: str) -> Iterator[bytes]:
    """The text of a split."""
    source = load_tfds().builder_from_directory(self.path).as_data_source(split)
    for number in range(len(source)):
      yield np.asarray(source[number]["text"], np.uint8).tobytes()


def load_tfds():
  """TensorFlow Datasets, imported late: it is in no run that does not ask.

  Raises:
    DataError: it is not installed.
  """
  try:
    importlib.import_module("array_record")  # TFDS imports it late
    return importlib.import_module("tensorflow_datasets")
  except ImportError as error:
    raise DataError(
      f"{error.name} is not installed, which prepared corpora need: pip install"
      " tensorflow-datasets array_record importlib_resources (the extra `data`)"
    ) from None


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
  path = data_folder(folder) / _BUILDER / name / _VERSION
  try:
    record = json.loads((path / _RECORD).read_text())
    if not all(record[split]["sha256"] for split in SPLITS):
      raise ValueError("a split is missing")
  except (FileNotFoundError, NotADirectoryError):
    raise DataError(
      f"{corpus}: not prepared yet; {how_to_prepare(name)}"
    ) from None
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise DataError(
      f"{corpus}: {path / _RECORD} cannot be read: {error};"
      f" {how_to_prepare(name)}"
    ) from None
  load_tfds()
  return Prepared(path, record)


def prepare(
  name: str,
  folder: pathlib.Path,
  splits: dict[str, Callable[[], Iterator[bytes]]],
  check: Callable[[dict], None] = lambda record: None,
) -> pathlib.Path:
  """Writes a corpus, whole or not at all, and returns where.

  splits: of each a function that gives its pieces.
  check: looks at the record before the corpus takes its place.

  Raises:
    DataError: TFDS is missing, or the corpus cannot be written.
  """
  tfds = load_tfds()
  record, config = {}, tfds.core.BuilderConfig(name=name)

  class LmText(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Pieces of a text, in order."""

    VERSION = tfds.core.Version(_VERSION)
    BUILDER_CONFIGS = (config,)
    name = _BUILDER

    def _info(self):
      text = tfds.features.Tensor(shape=(None,), dtype=np.uint8)
      return tfds.core.DatasetInfo(
        builder=self,
        description=f"The corpus {name} in pieces of some 1 MiB.",
        features=tfds.features.FeaturesDict({"text": text}),
        disable_shuffling=True,
      )

    def _split_generators(self, dl_manager):
      return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split):
      digest, size = hashlib.sha256(), 0
      for number, piece in enumerate(splits[split]()):
        digest.update(piece)
        size += len(piece)
        yield number, {"text": np.frombuffer(piece, np.uint8)}
      record[split] = {"bytes": size, "sha256": digest.hexdigest()}

  final = folder / _BUILDER / name / _VERSION
  draft = folder / f".preparing-{name}"
  try:
    shutil.rmtree(draft, ignore_errors=True)  # what a kill left
    draft.mkdir(parents=True)
    tfds.disable_progress_bar()
    builder = LmText(data_dir=draft, config=name, file_format="array_record")
    with contextlib.redirect_stdout(io.StringIO()):  # it praises itself
      builder.download_and_prepare()
    check(record)
    made = pathlib.Path(builder.data_dir)
    write_atomically(made / _RECORD, json.dumps(record, indent=1) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(made, final)
  except OSError as error:
    raise DataError(
      f"{folder}: cannot be written: {error.strerror or error}"
    ) from None
  finally:
    shutil.rmtree(draft, ignore_errors=True)
  return final
