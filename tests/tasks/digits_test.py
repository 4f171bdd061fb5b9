"""Images pixel by pixel: the task, and every kind of file it reads."""

import gzip
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.config import validate
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.tasks.digits import DigitsConfig
from lstm_jax.tasks.sequence_task import StoredTask


def fake(channels=1, train=20, test=6, size=4):
  """Pixels and labels of both splits."""
  draw = np.random.default_rng(0)
  shape = (size, size) if channels == 1 else (size, size, channels)
  return [
    (
      draw.integers(0, 256, (count, *shape), np.uint8),
      draw.integers(0, 10, count).astype(np.uint8),
    )
    for count in (train, test)
  ]


def save_npz(path, train, test):
  np.savez(
    path, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1]
  )
  return str(path)


def idx(array) -> bytes:
  lengths = np.array(array.shape, ">u4").tobytes()
  return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def save_idx(folder, train, test):
  """The training files as they are, the test files packed."""
  for part, (pixels, labels) in (("train", train), ("t10k", test)):
    for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
      path = folder / f"{part}-{kind}-ubyte"
      if part == "train":
        path.write_bytes(idx(array))
      else:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(array)))
  return str(folder)


def all_of(task: StoredTask, split: str):
  """The whole split as one batch."""
  window, data, count = task.evaluation(split, task.record["sequences"][split])
  assert count == 1
  return jax.jit(window)(data, 0)[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_labels_and_splits(tmp_path, channels):
  (pixels, labels), test = fake(channels)
  source = save_npz(tmp_path / "a.npz", (pixels, labels[:, None]), test)
  task = DigitsConfig(source=source, channels=channels).load(4)
  assert task.spec == ("frames", channels, 10, "cross_entropy")
  assert task.record["sequences"] == {"train": 18, "valid": 2, "test": 6}
  assert task.record["steps"] == 16 and task.steps_per_epoch == 4
  for split, x, y in (
    ("train", pixels[:18], labels[:18]),
    ("valid", pixels[18:], labels[18:]),
    ("test", *test),
  ):
    batch = all_of(task, split)
    np.testing.assert_allclose(
      batch.inputs.x, x.reshape(-1, 16, channels) / 255, rtol=1e-6
    )
    np.testing.assert_array_equal(batch.targets.values[:, -1], y)
    weights = [[0.0] * 15 + [1.0]] * len(x)
    np.testing.assert_array_equal(batch.targets.weights, weights)
    assert batch.inputs.mask.all()


def test_an_epoch_shows_each_image_once(tmp_path):
  task = DigitsConfig(source=save_npz(tmp_path / "a.npz", *fake())).load(6)
  known = np.asarray(all_of(task, "train").inputs.x)[..., 0]
  data, key, orders = task.source.data, jax.random.key(1), []
  for epoch in range(2):
    seen = np.concatenate(
      [
        task.batch(data, jnp.asarray(3 * epoch + k), key)[0].inputs.x
        for k in range(3)
      ]
    )[..., 0]
    rows = (seen[:, None] == known).all(-1).argmax(1)
    np.testing.assert_array_equal(np.sort(rows), np.arange(18))
    orders.append(rows)
  assert (orders[0] != orders[1]).any()


def test_one_order_for_all_images(tmp_path):
  source = save_npz(tmp_path / "a.npz", *fake(channels=3))
  plain, permuted, other = (
    DigitsConfig(source=source, channels=3, **options).load(4)
    for options in (
      {},
      {"permuted": True},
      {"permuted": True, "permutation_seed": 1},
    )
  )
  for split in ("train", "valid", "test"):
    a, b = (np.asarray(all_of(t, split).inputs.x) for t in (plain, permuted))
    order = np.random.RandomState(92916).permutation(16)
    np.testing.assert_array_equal(b, a[:, order])
    assert (b != a).any() and (b != all_of(other, split).inputs.x).any()


def test_the_stand_in():
  task = DigitsConfig().load(50)
  assert "stand-in" in task.record["corpus"]
  assert task.record["sequences"] == {"train": 1350, "valid": 150, "test": 297}
  batch = all_of(task, "test")
  assert batch.inputs.x.shape == (297, 64, 1)
  assert float(batch.inputs.x.min()) == 0 and float(batch.inputs.x.max()) == 1
  assert set(np.asarray(batch.targets.values[:, -1]).tolist()) == set(range(10))


def test_files_of_mnist(tmp_path):
  train, test = fake()
  a = DigitsConfig(source=save_npz(tmp_path / "a.npz", train, test)).load(4)
  folder = tmp_path / "idx"
  folder.mkdir()
  b = DigitsConfig(source=save_idx(folder, train, test)).load(4)
  assert a.record["corpus_sha256"] == b.record["corpus_sha256"]
  np.testing.assert_array_equal(
    all_of(a, "test").inputs.x, all_of(b, "test").inputs.x
  )


def test_tensorflow_datasets(tmp_path, monkeypatch):
  splits = dict(zip(("train", "test"), fake(channels=3)))

  def data_source(name, split):
    if name != "cifar10":
      raise ValueError(f"Dataset {name}\nnot found")
    return [{"image": x, "label": y} for x, y in zip(*splits[split])]

  module = types.SimpleNamespace(data_source=data_source)
  monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
  a = DigitsConfig(source="tfds:cifar10", channels=3).load(4)
  source = save_npz(tmp_path / "a", *splits.values()) + ".npz"
  b = DigitsConfig(source=source, channels=3)
  assert a.record["corpus_sha256"] == b.load(4).record["corpus_sha256"]
  check_error("tfds:cifar", "Dataset cifar not found; prepare it once")
  monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
  check_error("tfds:mnist", "pip install tensorflow-datasets array_record")


def test_other_channels_are_named(tmp_path):
  check_error(
    save_npz(tmp_path / "a.npz", *fake(channels=3)),
    "the images have 3 numbers a pixel; set task.channels=3",
  )


def check_error(source, message):
  with pytest.raises(DataError) as error:
    DigitsConfig(source=str(source)).load(1)
  assert message in str(error.value) and "\n" not in str(error.value)


def test_missing_files(tmp_path):
  check_error(tmp_path / "nowhere", "no such file or folder; give a folder")
  check_error("", "no such file or folder")
  check_error("x" * 5000, "no such file or folder")
  check_error("~nobody_of_this_name/x", "no such file or folder")
  check_error(tmp_path, "train-images-idx3-ubyte: no such file, nor train-")


def test_damaged_idx_files(tmp_path):
  source = save_idx(tmp_path, *fake())
  labels = tmp_path / "t10k-labels-idx1-ubyte.gz"
  whole = labels.read_bytes()
  for damaged in (whole[:-9], whole[:5], whole[:12] + b"\xff" * 9, b"plain"):
    labels.write_bytes(damaged)
    check_error(source, "t10k-labels-idx1-ubyte.gz: cannot be read")
  labels.write_bytes(whole)
  images = tmp_path / "train-images-idx3-ubyte"
  whole = images.read_bytes()
  images.write_bytes(whole[:-1])
  check_error(source, "319 bytes where its header says [20, 4, 4]")
  images.write_bytes(whole[:9])
  check_error(source, "not an idx file of bytes with 3 axes")
  images.write_bytes(idx(np.zeros(20, np.uint8)))
  check_error(source, "not an idx file of bytes with 3 axes")


def test_wrong_npz_files(tmp_path):
  path = tmp_path / "a.npz"
  (x, y), test = fake()
  path.write_bytes(b"PK\3\4 not a zip")
  check_error(path, "not a sound .npz file")
  np.save(tmp_path / "b.npy", x)
  check_error(tmp_path / "b.npy", "not a sound .npz file")
  save_npz(path, (x, y), test)
  path.write_bytes(path.read_bytes()[:-40])
  check_error(path, "not a sound .npz file")
  np.savez(path, x_train=x)
  check_error(path, "there is no y_train in it")
  for train, message in (
    ((x[0], y), "images must be [n, height, width] or"),
    ((np.stack([x] * 2, -1), y), "got [20, 4, 4, 2]"),
    ((x / 255, y), "pixels must be uint8, got float64"),
    ((x, y[:-1]), "20 images and labels [19]"),
    ((x[:0], y[:0]), "at least one"),
    ((x, y + 10), "labels must be integers from 0 to 9"),
    ((x, y / 1), "labels must be integers from 0 to 9"),
    ((x, np.array([None] * 20)), "not a sound .npz file"),
    ((x[:, 1:], y), "they must be of one shape"),
    ((x[:1], y[:1]), "one training image"),
  ):
    save_npz(path, train, test)
    check_error(path, message)


def test_a_batch_larger_than_the_split(tmp_path):
  source = save_npz(tmp_path / "a.npz", *fake())
  with pytest.raises(ConfigError, match="19 is more than the 18 sequences"):
    DigitsConfig(source=source).load(19)


def test_fields_are_checked(small_config):
  small_config.task = DigitsConfig(loss="binary")
  with pytest.raises(ConfigError, match="task.loss"):
    validate(small_config)
