"""Sets that TensorFlow Datasets downloads, as prepared corpora.

TFDS needs TensorFlow to make its files, once and on any machine; they are of
the array_record format, and reading them takes none.
"""

import contextlib
import functools
import importlib
import pathlib
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from lstm_jax.data.prepared import SPLITS, write_prepared
from lstm_jax.errors import DataError
from scripts.known_corpora import TFDS_SETS, TfdsSet

_TIMEOUT = 20  # seconds


def prepare_set(name: str, folder: pathlib.Path) -> pathlib.Path:
  """Prepares one of `TFDS_SETS` and returns where its corpus is.

  Its examples are joined in the order of TFDS's files. Where there is no
  validation split (lm1b), it is the first half of the test split.

  Raises:
    DataError: TFDS or TensorFlow is missing, or it cannot be downloaded.
  """
  tfds, chosen = load_tfds(), TFDS_SETS[name]
  importlib.import_module(f"tensorflow_datasets.text.{name}")  # registers it
  builder = tfds.builder(
    chosen.builder, data_dir=folder, file_format="array_record"
  )
  if not builder.is_prepared():
    _download(name, chosen, builder)
  splits = {
    split: functools.partial(_pieces, name, chosen, split, source, numbers)
    for split, (source, numbers) in _sources(builder).items()
  }
  return write_prepared(name, folder, splits)


def load_tfds():
  """
  Raises:
    DataError: it is not installed.
  """
  try:
    importlib.import_module("array_record")  # TFDS imports it late
    return importlib.import_module("tensorflow_datasets")
  except ImportError as error:
    raise DataError(
      f"{error.name} is not installed, which TFDS's own sets need: pip install"
      " tensorflow-datasets array_record importlib_resources (the extra `data`)"
    ) from None


def _download(name: str, chosen: TfdsSet, builder: Any):
  if not find_spec("tensorflow"):
    raise DataError(
      f"{name}: tensorflow is not installed, which TFDS needs to prepare its"
      " own sets: pip install tensorflow (the extra `tf`); training reads them"
      " without it"
    )
  try:  # TFDS itself would try for minutes
    urllib.request.urlopen(f"https://{chosen.host}", timeout=_TIMEOUT).close()
  except urllib.error.HTTPError:
    pass  # it answers
  except OSError as error:
    raise DataError(
      f"{name}: {chosen.host} cannot be reached:"
      f" {getattr(error, 'reason', error)}; prepare it where there is network"
      f" and copy {builder.data_dir}"
    ) from None
  try:
    with contextlib.redirect_stdout(sys.stderr):
      builder.download_and_prepare()
  except Exception as error:  # of anything that TFDS calls
    text = str(error).strip() or type(error).__name__
    raise DataError(
      f"{name}: TFDS cannot prepare it: {text.splitlines()[0]}"
    ) from None


def _sources(builder: Any) -> dict[str, tuple[Any, range]]:
  """Of each split the examples, and the numbers of its own."""
  train, test = map(builder.as_data_source, ("train", "test"))
  if "validation" in builder.info.splits:
    valid = builder.as_data_source("validation")
    split = [(train, 0, 1), (valid, 0, 1), (test, 0, 1)]
  else:
    split = [(train, 0, 1), (test, 0, 0.5), (test, 0.5, 1)]
  return {
    name: (source, range(int(a * len(source)), int(b * len(source))))
    for name, (source, a, b) in zip(SPLITS, split, strict=True)
  }


def _pieces(
  name: str, chosen: TfdsSet, split: str, source: Any, numbers: range
) -> Iterator[bytes]:
  for number in numbers:
    yield source[number][chosen.field] + chosen.end
  print(f"{name}: {split} read", file=sys.stderr, flush=True)
