"""Losses as (sum, weight) pairs, and the units they are reported in.

Pairs add up over windows, devices and log intervals; they become a number only
when it is written.
"""

import math
from typing import Any, NamedTuple

from lstm_jax.array_types import Array, Float


class Sums(NamedTuple):
  """A weighted sum and the sum of its weights."""

  nats: Float[Array, "*n"] | float  # summed loss
  weight: Float[Array, "*n"] | float  # number of tokens
  extra: dict[str, Any] = {}  # other sums that a task counts

  def __add__(self, other):
    extra = {
      name: self.extra.get(name, 0) + other.extra.get(name, 0)
      for name in self.extra | other.extra
    }
    return Sums(self.nats + other.nats, self.weight + other.weight, extra)


def nats_per_token(sums: Sums) -> float:
  return float(sums.nats) / float(sums.weight)


def bits_per_token(sums: Sums) -> float:
  """nats / ln 2."""
  return nats_per_token(sums) / math.log(2)


def perplexity(sums: Sums) -> float:
  """exp(nats per token); infinite rather than an overflow."""
  nats = nats_per_token(sums)
  return math.exp(nats) if nats < 700 else math.inf
