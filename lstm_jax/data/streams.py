"""Contiguous streams for truncated backpropagation through time.

A long token sequence is laid out as b parallel streams, each a contiguous piece
of it. Window w holds steps [w t, (w + 1) t) of every stream, so that the state
after window w is the state before window w + 1, row by row.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.array_types import Array, Float, Int, Shaped


class Streams(NamedTuple):
  """inputs and targets are the same sequence one step apart."""

  inputs: Shaped[Array, "b n"]
  targets: Shaped[Array, "b n"]
  weights: Float[Array, "b n"] | None


class RandomWindows(NamedTuple):
  """Streams, and where windows of random lengths lie in them.

  The windows of a round follow on each other from the start of the streams to
  their end; the next round begins at the start again.
  """

  inputs: Shaped[Array, "b n"]
  targets: Shaped[Array, "b n"]
  starts: Int[Array, "w"]
  lengths: Int[Array, "w"]


def training_streams(tokens: np.ndarray, batch: int, window: int) -> Streams:
  """`batch` streams of whole windows; what is left over at the end of the
  sequence and of each stream, less than a window each, is not used.

  Raises:
    ValueError: the sequence is shorter than one batch of windows.
  """
  windows = (len(tokens) - 1) // batch // window
  if windows < 1:
    raise ValueError(
      f"{len(tokens)} tokens are fewer than one batch of windows"
      f" ({batch} x {window} + 1)"
    )
  length = (len(tokens) - 1) // batch
  inputs, targets = (
    tokens[i : i + batch * length].reshape(batch, length)[:, : windows * window]
    for i in (0, 1)
  )
  return Streams(
    np.ascontiguousarray(inputs), np.ascontiguousarray(targets), None
  )


ROUNDS = 16  # of random windows, before they repeat
_SHORTEST = 5
_HALVED = 0.05  # of the windows


def longest_window(window: int, spread: float) -> int:
  """Of random windows: three standard deviations above the mean."""
  return window + math.ceil(3 * spread)


def random_windows(
  tokens: np.ndarray, batch: int, window: int, spread: float
) -> RandomWindows:
  """`batch` streams with windows as `draw_windows` has them, padded so that
  `longest_window` can be cut everywhere.

  Raises:
    ValueError: the sequence is shorter than a token a stream.
  """
  length = (len(tokens) - 1) // batch
  if length < 1:
    raise ValueError(f"{len(tokens)} tokens are too few for {batch} streams")
  inputs, targets = (
    np.pad(
      tokens[i : i + batch * length].reshape(batch, length),
      ((0, 0), (0, longest_window(window, spread))),
    )
    for i in (0, 1)
  )
  return RandomWindows(inputs, targets, *draw_windows(length, window, spread))


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


def evaluation_streams(tokens: np.ndarray, batch: int, window: int) -> Streams:
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


def cut_at(a, start, window: int):
  """Steps [start, start + window) of streams [b n], inside jit."""
  return lax.dynamic_slice_in_dim(a, start, window, axis=1)


def window_batch(
  streams: Streams, index: Int[Array, ""] | int, window: int
) -> tuple[Int[Array, "b t"], Int[Array, "b t"], Float[Array, "b t"]]:
  """Inputs, targets and weights of window `index`."""
  start = index * window
  inputs = cut_at(streams.inputs, start, window).astype(jnp.int32)
  targets = cut_at(streams.targets, start, window).astype(jnp.int32)
  if streams.weights is None:
    weights = jnp.ones(inputs.shape)
  else:
    weights = cut_at(streams.weights, start, window)
  return inputs, targets, weights
