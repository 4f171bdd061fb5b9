"""Labelled images: scikit-learn's digits, idx and npz files, or TFDS."""

import gzip
import hashlib
import pathlib
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from lstm_jax.array_types import Array, Shaped
from lstm_jax.errors import DataError
from lstm_jax.files import existing_path

CLASSES = 10
_TRAIN, _TEST = "train", "t10k"  # how MNIST's files begin
_GET = (
  "give a folder with MNIST's four idx files (train-images-idx3-ubyte,"
  " train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte,"
  " each alone or as .gz), or an .npz with x_train, y_train, x_test, y_test"
)


class Images(NamedTuple):
  pixels: Shaped[Array, "n y x c"]  # bytes from 0, black, to `white`
  labels: Shaped[Array, "n"]  # 0 to 9


class ImageSet(NamedTuple):
  train: Images
  test: Images
  white: int
  source: str  # what it is, for the record
  digest: str  # SHA-256 of all of it


def read_images(source: str) -> ImageSet:
  """Reads images with labels 0 to 9.

  Args:
    source: "sklearn", scikit-learn's 1,797 digits of 8x8 pixels, of which the
      last 297 are the test split; "tfds:NAME", a data set that TensorFlow
      Datasets has prepared, such as tfds:mnist and tfds:cifar10; a folder with
      MNIST's four idx files; or an .npz file with x_train, y_train, x_test and
      y_test.

  Raises:
    DataError: one line that says what is missing or wrong, and what to do.
  """
  white = 255
  if source == "sklearn":
    train, test = _sklearn()
    white, source = 16, "digits of scikit-learn, 8x8, a stand-in for MNIST"
  elif source.startswith("tfds:"):
    train, test = _tfds(source.removeprefix("tfds:"))
  else:
    path = existing_path(source)
    if path is None:
      raise DataError(f'"{source}": no such file or folder; {_GET}')
    read = _folder if path.is_dir() else _npz
    train, test = read(path)
  train, test = (
    _checked(images, f"{source}: {split} split")
    for images, split in ((train, "train"), (test, "test"))
  )
  if train.pixels.shape[1:] != test.pixels.shape[1:]:
    raise DataError(
      f"{source}: training images are {train.pixels.shape[1:]}, test images"
      f" {test.pixels.shape[1:]}; they must be of one shape"
    )
  digest = hashlib.sha256()
  for array in (*train, *test):
    digest.update(f"{array.dtype} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array))
  return ImageSet(train, test, white, source, digest.hexdigest())


def _checked(images, where) -> Images:
  """Images as bytes [n y x c] and labels as bytes [n]."""
  pixels, labels = map(np.asarray, images)
  if pixels.ndim == 3:
    pixels = pixels[..., None]
  if pixels.ndim != 4 or pixels.shape[-1] not in (1, 3):
    raise DataError(
      f"{where}: images must be [n, height, width] or [n, height, width,"
      f" 1 or 3], got {list(pixels.shape)}"
    )
  if pixels.dtype != np.uint8:
    raise DataError(f"{where}: pixels must be uint8, got {pixels.dtype}")
  if not 0 < len(pixels) == labels.size == len(labels):
    raise DataError(
      f"{where}: {len(pixels)} images and labels {list(labels.shape)}; there"
      " must be as many, and at least one"
    )
  if labels.dtype.kind not in "iu" or not (
    0 <= labels.min() and labels.max() < CLASSES
  ):
    raise DataError(f"{where}: labels must be integers from 0 to 9")
  return Images(pixels, labels.reshape(-1).astype(np.uint8))


def _sklearn():
  from sklearn.datasets import load_digits  # late: it takes seconds

  pixels, labels = load_digits(return_X_y=True)
  pixels = pixels.reshape(-1, 8, 8).astype(np.uint8)
  cut = 1500
  return (pixels[:cut], labels[:cut]), (pixels[cut:], labels[cut:])


def _tfds(name):
  """Without TensorFlow, which only `download_and_prepare` needs."""
  prepare = (
    "prepare it once, where TensorFlow is installed: python -c 'import"
    f' tensorflow_datasets as t; t.builder("{name}",'
    ' file_format="array_record").download_and_prepare()\''
  )
  try:
    import tensorflow_datasets as tfds
  except ImportError:
    raise DataError(
      f"tfds:{name}: tensorflow_datasets is not installed; pip install"
      f" tensorflow-datasets array_record, and {prepare}; or {_GET}"
    ) from None
  try:
    train, test = (
      list(tfds.data_source(name, split=split)) for split in ("train", "test")
    )
    return [
      [np.stack([row[key] for row in split]) for key in ("image", "label")]
      for split in (train, test)
    ]
  except Exception as error:  # an unknown name, no data, no such split, ...
    reason = " ".join(str(error).split())[:200]
    raise DataError(
      f"tfds:{name}: cannot be read: {reason}; {prepare}; or {_GET}"
    ) from None


def _npz(path):
  names = ("x_train", "y_train", "x_test", "y_test")
  try:
    with path.open("rb") as file, np.load(file) as arrays:
      if missing := [name for name in names if name not in arrays]:
        raise DataError(f"{path}: there is no {missing[0]} in it; {_GET}")
      x_train, y_train, x_test, y_test = (arrays[name] for name in names)
  except (
    *(OSError, EOFError, ValueError, TypeError),
    *(zipfile.BadZipFile, zlib.error, AttributeError),
  ) as error:
    reason = " ".join(str(error).split())
    raise DataError(
      f"{path}: not a sound .npz file: {reason}; {_GET}"
    ) from None
  return (x_train, y_train), (x_test, y_test)


def _folder(path):
  return [
    [
      _idx(path / f"{part}-images-idx3-ubyte", 3),
      _idx(path / f"{part}-labels-idx1-ubyte", 1),
    ]
    for part in (_TRAIN, _TEST)
  ]


def _idx(path: pathlib.Path, axes: int) -> Shaped[Array, "..."]:
  """An idx file of bytes: 0 0 8, the number of axes, each length as a
  big-endian 32-bit number, then the bytes (LeCun, Cortes & Burges, MNIST)."""
  packed = path.with_name(path.name + ".gz")
  path = packed if packed.exists() else path
  try:
    data = path.read_bytes()
    if path == packed:
      data = gzip.decompress(data)
  except FileNotFoundError:
    raise DataError(
      f"{path}: no such file, nor {packed.name}; {_GET}"
    ) from None
  except (OSError, EOFError, zlib.error) as error:
    raise DataError(
      f"{path}: cannot be read: {error}; get the file again"
    ) from None
  head = 4 + 4 * axes
  if data[:4] != bytes([0, 0, 8, axes]) or len(data) < head:
    raise DataError(f"{path}: not an idx file of bytes with {axes} axes")
  shape = np.frombuffer(data[4:head], ">u4").astype(int)
  if len(data) - head != shape.prod():
    raise DataError(
      f"{path}: {len(data) - head} bytes where its header says"
      f" {shape.tolist()}; get the file again"
    )
  return np.frombuffer(data[head:], np.uint8).reshape(shape)
