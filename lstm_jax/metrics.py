"""Losses as (sum, weight) pairs, and the units they are reported in.

Pairs add up over windows, devices and log intervals; they become a number only
when it is written.
"""

import math
from typing import NamedTuple

from lstm_jax.array_types import Array, Float


class Sums(NamedTuple):
  """A weighted sum and the sum of its weights."""

  nats: Float[Array, ""] | float  # summed negative log-likelihood
  weight: Float[Array, ""] | float  # number of tokens

  def __add__(self, other):
    return Sums(self.nats + other.nats, self.weight + other.weight)


def nats_per_token(sums: Sums) -> float:
  return float(sums.nats) / float(sums.weight)


def bits_per_char(sums: Sums) -> float:
  """Bits per character: nats / ln 2."""
  return nats_per_token(sums) / math.log(2)


def perplexity(sums: Sums) -> float:
  """exp(nats per token); infinite rather than an overflow."""
  nats = nats_per_token(sums)
  return math.exp(nats) if nats < 700 else math.inf
