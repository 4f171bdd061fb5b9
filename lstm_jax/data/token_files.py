"""Token numbers of a prepared corpus in files that are mapped, not read.

A file is made once for a vocabulary, beside the corpus, piece by piece; then a
training run costs the memory of the windows that it is looking at.
"""

import hashlib
import json
import os
import pathlib
import platform
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, Int, Shaped
from lstm_jax.data.prepared import Prepared
from lstm_jax.data.streams import draw_windows, longest_window
from lstm_jax.data.vocabulary import Vocabulary
from lstm_jax.errors import DataError


def map_tokens(
  prepared: Prepared, split: str, vocabulary: Vocabulary, as_bytes: bool
) -> Shaped[Array, "n"]:
  """The token numbers of a split, mapped into memory.

  Raises:
    DataError: the file cannot be written or read.
  """
  symbols = json.dumps([type(vocabulary).__name__, vocabulary.symbols])
  digest = hashlib.sha256(symbols.encode()).hexdigest()[:16]
  dtype = np.min_scalar_type(len(vocabulary) - 1)
  path = prepared.path / "tokens" / f"{split}-{digest}.{dtype.name}"
  try:
    if not path.exists():
      _write(path, prepared, split, vocabulary, as_bytes, dtype)
    if not path.stat().st_size:
      return np.zeros(0, dtype)
    return np.memmap(path, dtype, mode="r")
  except (OSError, ValueError) as error:
    reason = getattr(error, "strerror", None) or error
    raise DataError(f"{path}: cannot be used: {reason}") from None


def _write(path: pathlib.Path, prepared, split, vocabulary, as_bytes, dtype):
  path.parent.mkdir(exist_ok=True)
  writer = f"{platform.node()}.{os.getpid()}"
  draft = path.with_name(f".{path.name}.{writer}")
  try:
    with draft.open("wb") as file:
      for text in prepared.texts(split, as_bytes):
        file.write(vocabulary.encode(text).astype(dtype).tobytes())
      file.flush()
      os.fsync(file.fileno())
    os.replace(draft, path)
  finally:
    draft.unlink(missing_ok=True)


def count(tokens: Shaped[Array, "n"], symbol: int) -> int:
  """How often a number occurs, without a copy of all."""
  step = 2**22
  return sum(
    int((tokens[at : at + step] == symbol).sum())
    for at in range(0, len(tokens), step)
  )


class DiskWindows(NamedTuple):
  """The windows of some steps, side by side."""

  first: Int[Array, ""]  # the step of the first of them
  inputs: Shaped[Array, "b n"]
  targets: Shaped[Array, "b n"]
  starts: Int[Array, "s"]  # of each window, in the streams
  lengths: Int[Array, "s"]


class DiskStreams:
  """The same windows as those of `streams.training_streams`, or with a spread
  of `streams.random_windows`, read when asked for.

  Raises:
    ValueError: as they do.
  """

  def __init__(
    self,
    tokens: Shaped[Array, "n"],
    batch: int,
    window: int,
    spread: float = 0.0,
  ):
    self._tokens, self._batch = tokens, batch
    self._length = (len(tokens) - 1) // batch
    windows = self._length // window
    if spread and self._length < 1:
      raise ValueError(f"{len(tokens)} tokens are too few for {batch} streams")
    if not spread and windows < 1:
      raise ValueError(
        f"{len(tokens)} tokens are fewer than one batch of windows"
        f" ({batch} x {window} + 1)"
      )
    if spread:
      self._longest = longest_window(window, spread)
      self._starts, self.lengths = draw_windows(self._length, window, spread)
    else:
      self._longest = window
      self._starts = window * np.arange(windows, dtype=np.int32)
      self.lengths = np.full(windows, window, np.int32)

  def read(self, step: int, steps: int) -> DiskWindows:
    """The windows of the steps [step, step + steps)."""
    numbers = np.arange(step, step + steps) % len(self._starts)
    longest, shape = self._longest, (self._batch, steps, self._longest)
    inputs, targets = (np.zeros(shape, self._tokens.dtype) for _ in range(2))
    for place, start in enumerate(self._starts[numbers]):
      size = min(longest, self._length - start)
      for row in range(self._batch):
        at = row * self._length + start
        read = self._tokens[at : at + size + 1]
        inputs[row, place, :size] = read[:-1]
        targets[row, place, :size] = read[1:]
    return DiskWindows(
      jnp.int32(step),
      inputs.reshape(self._batch, -1),
      targets.reshape(self._batch, -1),
      self._starts[numbers],
      self.lengths[numbers],
    )
