"""Units of the loss."""

import math

import pytest

from lstm_jax.metrics.sums import (
  Sums,
  bits_per_token,
  nats_per_token,
  perplexity,
)


def test_units():
  sums = Sums(math.log(2) * 30, 10.0) + Sums(math.log(2) * 10, 10.0)
  assert nats_per_token(sums) == pytest.approx(2 * math.log(2))
  assert bits_per_token(sums) == pytest.approx(2.0)
  assert perplexity(sums) == pytest.approx(4.0)
  assert perplexity(Sums(1e6, 1.0)) == math.inf
