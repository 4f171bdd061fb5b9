"""Samples of a user's own as arrays, and the .npz files they are read from."""

import hashlib
import pathlib
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lstm_jax.errors import DataError, suggest

SPLITS = ("train", "valid", "test")
_NAMES = ("inputs", "targets", "lengths")
_WANTED = (
  "must be numbers [samples timesteps features], integers [samples timesteps]"
  " or images [samples timesteps y x channels]"
)


class Arrays(NamedTuple):
  """The samples of a split, padded to the longest."""

  where: str  # which errors name
  inputs: np.ndarray  # [n t d], symbols [n t], or images [n t y x c]
  targets: np.ndarray | None  # [n ...]
  lengths: np.ndarray  # [n], timesteps

  def mask(self) -> np.ndarray:
    """True inside the sequences, [n t]."""
    return np.arange(self.inputs.shape[1]) < self.lengths[:, None]

  def take(self, rows: np.ndarray) -> "Arrays":
    targets = None if self.targets is None else self.targets[rows]
    return Arrays(self.where, self.inputs[rows], targets, self.lengths[rows])


def shape_in_words(array: np.ndarray) -> str:
  return f"{array.dtype} {list(array.shape)}"


def make_arrays(
  where: str, inputs: Any, targets: Any = None, lengths: Any = None
) -> Arrays:
  """Checks the arrays of a split; where there are no lengths, all are whole.

  Raises:
    DataError: names the array, what it is and what it must be.
  """
  inputs = np.asarray(inputs)
  kind, axes = inputs.dtype.kind, inputs.ndim
  if not (
    kind in "iu" and axes in (2, 3, 5) or kind in "fb" and axes in (3, 5)
  ):
    more = "; one feature needs an axis of its own" * (axes == 2)
    got = shape_in_words(inputs)
    raise DataError(f"{where}inputs {_WANTED}, got {got}{more}")
  if 0 in inputs.shape:
    raise DataError(f"{where}inputs: empty, {shape_in_words(inputs)}")
  count, time = inputs.shape[:2]
  if lengths is None:
    lengths = np.full(count, time)
  lengths = np.asarray(lengths)
  if lengths.dtype.kind not in "iu" or lengths.shape != (count,):
    raise DataError(
      f"{where}lengths must be integers [{count} samples], got"
      f" {shape_in_words(lengths)}"
    )
  if (wrong := (lengths < 1) | (lengths > time)).any():
    row = int(wrong.argmax())
    raise DataError(
      f"{where}lengths: sample {row} has {lengths[row]}; they must be 1 to"
      f" {time} timesteps"
    )
  if targets is not None:
    targets = np.asarray(targets)
    if not targets.ndim or len(targets) != count:
      raise DataError(
        f"{where}targets must be [{count} samples ...], as the inputs, got"
        f" {shape_in_words(targets)}"
      )
  arrays = Arrays(where, inputs, targets, lengths.astype(np.int32))
  if kind == "f":
    check_finite(f"{where}inputs", inputs, arrays.mask())
  elif axes == 2 and (low := inputs.min(where=arrays.mask(), initial=0)) < 0:
    raise DataError(f"{where}inputs: symbols are 0, 1, ...; there is {low}")
  return arrays


def check_finite(name: str, values: np.ndarray, mask: np.ndarray | None = None):
  """Raises DataError for a number that is not finite, inside the sequences
  where a mask [n t] is given."""
  wrong = ~np.isfinite(values)
  if mask is not None:
    wrong &= mask.reshape(*mask.shape, *[1] * (values.ndim - 2))
  if wrong.any():
    place = np.unravel_index(wrong.argmax(), wrong.shape)
    axes = (
      ("sample", "timestep", "feature") if values.ndim == 3 else ("sample",)
    )
    words = [f"{axis} {i}" for axis, i in zip(axes, place, strict=False)]
    raise DataError(
      f"{name}: {values[place]} at {', '.join(words)}; fill it in or leave the"
      " sample out"
    )


def read_npz(path: pathlib.Path) -> dict[str, Arrays]:
  """The splits of a file with `inputs`, perhaps `targets` and `lengths`, and
  these with valid_ and test_ before them.

  Raises:
    DataError: the file is not sound, or an array is missing or wrong.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      found = {name: file[name] for name in file.files}
  except (
    *(OSError, EOFError, ValueError, TypeError, AttributeError),
    *(zipfile.BadZipFile, zlib.error),
  ) as error:
    reason = " ".join(str(error).split())[:200]
    raise DataError(f"{path}: not a sound .npz file: {reason}") from None
  starts = {"train": "", "valid": "valid_", "test": "test_"}
  known = [start + name for start in starts.values() for name in _NAMES]
  for name in found:
    if name not in known:
      hint = suggest(name, known)
      raise DataError(f'{path}: unknown array "{name}"{hint}')
  splits = {}
  for split, start in starts.items():
    if start + "inputs" in found:
      arrays = (found.get(start + name) for name in _NAMES)
      splits[split] = make_arrays(f"{path}: {start}", *arrays)
    elif split == "train" or any(start + name in found for name in _NAMES):
      raise DataError(
        f"{path}: no array {start}inputs; there is {', '.join(found)}"
      )
  return splits


def cut_splits(
  splits: dict[str, Arrays], percent: tuple[int, ...], seed: int
) -> dict[str, Arrays]:
  """All three splits: those that are missing are cut from the training samples,
  in shares of `percent`, after one shuffle.

  Raises:
    DataError: there are too few samples.
  """
  whole = splits["train"]
  shares: dict[str, int] = dict(zip(SPLITS, percent, strict=True))
  missing = [
    split for split in SPLITS if split == "train" or split not in splits
  ]
  total, count = sum(shares[split] for split in missing), len(whole.inputs)
  # RandomState, whose numbers NumPy has promised never to change
  order = np.random.RandomState(seed).permutation(count)
  if len(missing) == 1:
    return splits
  found, end = dict(splits), count
  for split in reversed(missing[1:]):
    start = end - max(count * shares[split] // total, 1)
    found[split], end = whole.take(np.sort(order[max(start, 0) : end])), start
  if end < 1:
    raise DataError(f"{whole.where}{count} samples are too few to be cut")
  return found | {"train": whole.take(np.sort(order[:end]))}


def digest(splits: dict[str, Arrays]) -> str:
  """SHA-256 over the arrays of all splits."""
  sha = hashlib.sha256()
  for split, (_, *arrays) in sorted(splits.items()):
    for array in arrays:
      if array is not None:
        sha.update(f"{split} {shape_in_words(array)}\n".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
  return sha.hexdigest()


def _digits() -> Arrays:
  from sklearn.datasets import load_digits  # late: it takes seconds

  digits: Any = load_digits()
  inputs = digits.images.astype(np.float32)
  return make_arrays("sklearn:digits: ", inputs, digits.target)


def _waves() -> Arrays:
  draw = np.random.RandomState(0)
  period, phase = draw.uniform((4, 0), (16, 1), (2000, 2)).T[..., None]
  wave = np.sin(2 * np.pi * (np.arange(32) / period + phase))
  noisy = wave + 0.1 * draw.standard_normal(wave.shape)
  return make_arrays(
    "generated:waves: ", noisy[..., None].astype(np.float32), period[:, 0]
  )


# Samples that need no file: the rows of 8x8 digits, and noisy sine waves of 32
# timesteps whose period, 4 to 16 timesteps, is asked for.
BUILT_IN: dict[str, Callable[[], Arrays]] = {
  "sklearn:digits": _digits,
  "generated:waves": _waves,
}
