"""The causal convolution against a loop over rows and steps."""

import jax
import numpy as np
import pytest
from cell_problems import FLAGS, MASK, RESET
from helpers import assert_close

from lstm_jax.cells.causal_convolution import convolve

(B, T), D, K = MASK.shape, 2, 4


@pytest.mark.parametrize("name", FLAGS)
def test_convolution_by_hand(x64, name):
  """A masked step is not in the sequence; a reset empties the window."""
  rng = np.random.default_rng(0)
  x, kernel = rng.standard_normal((B, T, D)), rng.standard_normal((K, D))
  window = rng.standard_normal((B, K - 1, D))
  flags = FLAGS[name]
  mask = flags.get("mask", np.ones((B, T), bool))
  reset = flags.get("reset", np.zeros((B, T), bool))
  y, end = jax.jit(convolve)(x, kernel, window, **flags)
  for row in range(B):
    seen = list(window[row])
    for t in range(T):
      if reset[row, t]:
        seen = [np.zeros(D)] * (K - 1)
      if mask[row, t]:
        seen.append(x[row, t])
        assert_close(y[row, t], (seen[-K:] * kernel).sum(0), 1e-14)
    assert_close(end[row], np.array(seen[-K + 1 :]), 1e-15)


def test_flags_are_worth_testing():
  """Resets at masked steps too, and after the last step that is not masked."""
  assert (RESET & ~MASK).any() and (RESET & MASK).any()
  assert any(
    reset[np.flatnonzero(mask)[-1] + 1 :].any()
    for mask, reset in zip(MASK, RESET)
  )
