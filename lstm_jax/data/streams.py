"""Contiguous streams for truncated backpropagation through time.

A long token sequence is laid out as b parallel streams, each a contiguous piece
of it. The windows of a stream follow on each other, so that the state after one
is the state before the next, row by row.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.array_types import Array, Float, Int, Shaped


class Windows(NamedTuple):
  """Streams, or the parts of them that some updates read; inputs and targets
  are the same sequence one step apart."""

  inputs: Shaped[Array, "b n"]
  targets: Shaped[Array, "b n"]
  first: Int[Array, ""]  # the update that reads the first window
  starts: Int[Array, "w"]  # of each window, in the whole streams
  places: Int[Array, "w"]  # and here
  lengths: Int[Array, "w"] | None  # None: all are as long as the longest


class TrainingWindows:
  """A `Source` of `batch` streams in windows; what is left over at the end of
  the sequence and of each stream, less than a window each, is not used.

  With a spread the windows have the lengths of `draw_windows`, from the start
  of the streams to their end, round after round, each padded to the longest.

  on_disk: tokens are mapped from a file; they are read when asked for.

  Raises:
    ValueError: the sequence is shorter than one batch of windows, or with a
      spread than a token a stream.
  """

  def __init__(
    self,
    tokens: Shaped[Array, "n"],
    batch: int,
    window: int,
    spread: float = 0.0,
    on_disk: bool = False,
  ):
    self._tokens, self._batch = tokens, batch
    self._length = length = (len(tokens) - 1) // batch
    self.longest = longest_window(window, spread)
    if spread:
      if length < 1:
        raise ValueError(
          f"{len(tokens)} tokens are too few for {batch} streams"
        )
      self._starts, self._lengths = draw_windows(length, window, spread)
      self.per_epoch = max(len(self._starts) // ROUNDS, 1)
      self.mean_length = float(self._lengths.mean())
    else:
      if length < window:
        raise ValueError(
          f"{len(tokens)} tokens are fewer than one batch of windows"
          f" ({batch} x {window} + 1)"
        )
      self.per_epoch, self.mean_length = length // window, float(window)
      self._starts = window * np.arange(self.per_epoch, dtype=np.int32)
      self._lengths = None
    self._all = None if on_disk else self._cut_all()

  def at(self, step: int, steps: int) -> Windows:
    """What the updates [step, step + steps) read."""
    return self._all or self._read(step, steps)

  def _cut_all(self) -> Windows:
    end = int(self._starts.max()) + self.longest
    inputs, targets = (
      np.pad(
        self._tokens[i : i + self._batch * self._length].reshape(
          self._batch, self._length
        ),
        ((0, 0), (0, self.longest)),
      )[:, :end].copy()
      for i in (0, 1)
    )
    starts = self._starts
    return Windows(
      inputs, targets, np.zeros((), np.int32), starts, starts, self._lengths
    )

  def _read(self, step: int, steps: int) -> Windows:
    numbers = np.arange(step, step + steps) % len(self._starts)
    longest, shape = self.longest, (self._batch, steps, self.longest)
    inputs, targets = (np.zeros(shape, self._tokens.dtype) for _ in range(2))
    for place, start in enumerate(self._starts[numbers]):
      size = min(longest, self._length - start)
      for row in range(self._batch):
        at = row * self._length + start
        read = self._tokens[at : at + size + 1]
        inputs[row, place, :size] = read[:-1]
        targets[row, place, :size] = read[1:]
    return Windows(
      inputs.reshape(self._batch, -1),
      targets.reshape(self._batch, -1),
      np.array(step, np.int32),
      self._starts[numbers],
      longest * np.arange(steps, dtype=np.int32),
      None if self._lengths is None else self._lengths[numbers],
    )


ROUNDS = 16  # of random windows, before they repeat
_SHORTEST = 5
_HALVED = 0.05  # of the windows


def longest_window(window: int, spread: float) -> int:
  """Of random windows: three standard deviations above the mean."""
  return window + math.ceil(3 * spread)


def draw_windows(
  length: int, window: int, spread: float
) -> tuple[Int[Array, "w"], Int[Array, "w"]]:
  """Starts and lengths of windows as in Merity, Keskar & Socher 2018.

  A length is drawn from a normal distribution with the mean `window`, or half
  of it with a probability of 5 %, and the standard deviation `spread`; it is at
  least 5, and at most `longest_window`. They are the same in every run.

  length: of the streams, which each of `ROUNDS` rounds covers.
  """
  longest = longest_window(window, spread)
  rng = np.random.default_rng(0)
  shortest = min(_SHORTEST, window)
  starts, lengths = [], []
  for _ in range(ROUNDS):
    enough = length // shortest + 1
    mean = np.where(rng.random(enough) < _HALVED, window / 2, window)
    drawn = rng.normal(mean, spread).astype(int).clip(shortest, longest)
    ends = drawn.cumsum()
    count = np.searchsorted(ends, length) + 1
    start = np.append(0, ends[: count - 1])
    starts.append(start)
    lengths.append(np.minimum(ends[:count], length) - start)
  return (
    np.concatenate(starts).astype(np.int32),
    np.concatenate(lengths).astype(np.int32),
  )


class Streams(NamedTuple):
  inputs: Shaped[Array, "b n"]
  targets: Shaped[Array, "b n"]
  weights: Float[Array, "b n"]


def evaluation_streams(
  tokens: Shaped[Array, "n"], batch: int, window: int
) -> Streams:
  """`batch` streams that hold every token but the first as a target exactly
  once; padding has weight 0. One stream is the exact evaluation: the state runs
  through the whole sequence."""
  count = len(tokens) - 1
  length = -(-count // batch)  # ceil
  padded = -(-length // window) * window
  inputs = np.zeros((batch, padded), tokens.dtype)
  targets = np.zeros((batch, padded), tokens.dtype)
  weights = np.zeros((batch, padded), np.float32)
  for row in range(batch):
    start, stop = row * length, min((row + 1) * length, count)
    if start < stop:
      inputs[row, : stop - start] = tokens[start:stop]
      targets[row, : stop - start] = tokens[start + 1 : stop + 1]
      weights[row, : stop - start] = 1
  return Streams(inputs, targets, weights)


def cut_at(
  a: Shaped[Array, "b n"], start: Any, window: int
) -> Shaped[Array, "b t"]:
  """Steps [start, start + window) of streams [b n], inside jit."""
  return lax.dynamic_slice_in_dim(a, start, window, axis=1)


def cut_tokens(
  data: Windows | Streams, start: Any, window: int
) -> tuple[Int[Array, "b t"], Int[Array, "b t"]]:
  """Inputs and targets of steps [start, start + window), inside jit."""
  return (
    cut_at(data.inputs, start, window).astype(jnp.int32),
    cut_at(data.targets, start, window).astype(jnp.int32),
  )
