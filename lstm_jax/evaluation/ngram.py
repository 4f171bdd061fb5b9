"""Counts of what follows the last inputs, smoothed: an n-gram model.

Witten & Bell 1991, "The zero-frequency problem", IEEE Transactions on
Information Theory 37(4), method C, interpolated as in Chen & Goodman 1999, "An
empirical study of smoothing techniques for language modeling", eq. 16. After a
context c that was followed N times, by T different outcomes,

    p_n(w | c) = (count(c, w) + T p_{n-1}(w | c without its oldest)) / (N + T)

and p_0 is uniform. A context that never occurred has p_{n-1}.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from lstm_jax.array_types import Array, Float, Int


class _Level(NamedTuple):
  """What followed the contexts of one length, which are numbered."""

  contexts: Int[Array, "c"]  # sorted: number of the shorter one, and a symbol
  pairs: Int[Array, "p"]  # sorted: context and outcome
  counts: Int[Array, "p"]
  totals: Int[Array, "c"]  # N
  kinds: Int[Array, "c"]  # T


@dataclasses.dataclass(frozen=True)
class NGram:
  """p(outcome | the last n - 1 inputs) for n = 1 to the longest counted."""

  inputs: int  # how many symbols there are
  outcomes: int
  levels: tuple[_Level, ...]

  def probability(
    self,
    contexts: Int[Array, "*#n m"],
    outcomes: Int[Array, "*#n"],
    order: int,
  ) -> Float[Array, "..."]:
    """p_n of outcomes, each after its context.

    contexts: the inputs before it, the newest first, as many as were counted or
      more; -1 is none.
    order: n.
    """
    number = np.zeros(contexts.shape[:-1], np.int64)
    p = np.full(number.shape, 1 / self.outcomes)
    for m, level in enumerate(self.levels[:order]):
      if m:
        key = _key(number, contexts[..., m - 1], self.inputs)
        number = _find(level.contexts, np.where(number < 0, -1, key))
      pair = number * self.outcomes + outcomes
      pair = _find(level.pairs, np.where(number < 0, -1, pair))
      count = np.where(pair < 0, 0, level.counts[pair])
      total, kinds = level.totals[number], level.kinds[number]
      p = np.where(number < 0, p, (count + kinds * p) / (total + kinds))
    return p


def _key(number, symbol, inputs):
  return number * (inputs + 1) + symbol + 1


def _find(keys, wanted):
  """The places of numbers in a sorted array; -1 where they are not in it."""
  places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
  return np.where(keys[places] == wanted, places, -1)


def count_ngrams(
  contexts: Int[Array, "n m"],
  outcomes: Int[Array, "n"],
  inputs: int,
  kinds: int,
) -> NGram:
  """Counts how often each outcome followed each context of 0 to m inputs.

  contexts: as in `NGram.probability`.
  inputs, kinds: how many symbols there are of each.

  Raises:
    ValueError: there is nothing to count.
  """
  if not len(outcomes):
    raise ValueError("outcomes must be at least one")
  number, levels = np.zeros(len(outcomes), np.int64), []
  known = np.zeros(1, np.int64)
  for m in range(contexts.shape[1] + 1):
    if m:
      key = _key(number, contexts[:, m - 1], inputs)
      known, number = np.unique(key, return_inverse=True)
    pairs, counts = np.unique(number * kinds + outcomes, return_counts=True)
    of = pairs // kinds
    totals = np.bincount(of, counts).astype(np.int64)
    levels.append(_Level(known, pairs, counts, totals, np.bincount(of)))
  return NGram(inputs, kinds, tuple(levels))
