"""Images read pixel by pixel, and their class said at the end.

Le, Jaitly & Hinton 2015, "A Simple Way to Initialize Recurrent Networks of
Rectified Linear Units", arXiv 1504.00941: MNIST's 784 pixels one at a time,
line by line, or in one fixed random order, the same for all images; the order
takes apart what was near. CIFAR-10 is 1,024 steps of three colours.

scikit-learn's digits, 64 steps, are a stand-in that needs no download. Their
accuracies say nothing about MNIST.
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from lstm_jax.data.images import CLASSES, read_images
from lstm_jax.errors import DataError
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import Example, SequenceTaskConfig, StoredTask


@dataclasses.dataclass(slots=True)
class DigitsConfig(SequenceTaskConfig):
  """The validation split is the last tenth of the training split."""

  CHOICES: ClassVar = {"loss": ("cross_entropy",)}
  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "channels": (1, 3),
    "permutation_seed": (0, 2**32 - 1),
  }

  UNUSED: ClassVar = ("evaluation_sequences",)

  name: str = "digits"
  # "sklearn", 8x8 digits, a stand-in; a folder with MNIST's idx files; an .npz
  # with x_train, y_train, x_test, y_test; or "tfds:mnist", "tfds:cifar10"
  source: str = "sklearn"
  # numbers a pixel: 1 for grey, 3 for colours
  channels: int = 1
  # pixels in one random order, the same for all images
  permuted: bool = False
  # that order
  permutation_seed: int = 92916

  def sizes(self) -> Spec:
    return Spec("frames", self.channels, CLASSES)

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> StoredTask:
    """Reads the images.

    Raises:
      DataError: they cannot be read, are fewer than 2, or have other channels.
    """
    images = read_images(self.source)
    count, *size, channels = images.train.pixels.shape
    if count < 2:
      raise DataError(
        f"{images.source}: one training image; there must be 2 or more, as the"
        " last tenth is for validation"
      )
    if channels != self.channels:
      raise DataError(
        f"{images.source}: the images have {channels} numbers a pixel; set"
        f" task.channels={channels}"
      )
    cut = count - max(count // 10, 1)
    time = int(np.prod(size))
    # RandomState, whose numbers NumPy has promised never to change
    order = np.random.RandomState(self.permutation_seed).permutation(time)

    def store(pixels, labels):
      rows = pixels.reshape(-1, time, channels)
      return (rows[:, order] if self.permuted else rows), labels

    pixels, labels = store(*images.train)
    stored = {
      "train": (pixels[:cut], labels[:cut]),
      "valid": (pixels[cut:], labels[cut:]),
      "test": store(*images.test),
    }
    last = np.arange(time) == time - 1

    def expand(row) -> Example:
      pixels, label = row
      return Example(
        inputs=pixels.astype(jnp.float32) / images.white,
        targets=jnp.where(last, label.astype(jnp.int32), 0),
        weights=jnp.asarray(last, jnp.float32),
        mask=jnp.ones(time, bool),
      )

    record = {
      "corpus": images.source,
      "corpus_sha256": images.digest,
      "sequences": {split: len(rows[1]) for split, rows in stored.items()},
      "steps": time,
    }
    return StoredTask(self, batch_size, stored, record, expand)
