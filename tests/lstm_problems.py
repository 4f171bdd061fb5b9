"""A small problem for the LSTM's own scan, and a loss of it."""

import jax
import numpy as np

from lstm_jax import LSTM, LSTMState, Options, unroll

B, T, D, H = 3, 7, 6, 5  # more than 4 features: projected before the scan
CELL = LSTM(H)
CUDNN = Options(engine="cudnn")


def problem(seed=0, b=B, t=T, d=D, h=H):
  """Parameters, inputs, state and cotangents in float64."""
  rng = np.random.default_rng(seed)
  normal = rng.standard_normal
  params = {
    "w_x": normal((d, 4 * h)) / 2,
    "w_h": normal((h, 4 * h)) / 2,
    "b": normal(4 * h) / 2,
  }
  return (
    params,
    normal((b, t, d)),
    LSTMState(h=normal((b, h)), c=normal((b, h))),
    (normal((b, t, h)), LSTMState(h=normal((b, h)), c=normal((b, h)))),
  )


def single(tree):
  return jax.tree.map(lambda a: np.asarray(a, np.float32), tree)


def loss(params, x, state, options=Options(), reverse=False):
  y, final = unroll(CELL, params, x, state, options=options, reverse=reverse)
  return (y**2).sum() + final.h.sum() + (final.c**3).sum(), (y, final)
