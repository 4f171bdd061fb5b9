"""What `unroll`, layers and models refuse: one error that names the argument,
what was wanted and what came."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax import (
  GRU,
  LSTM,
  LanguageModel,
  LSTMState,
  MatrixLSTMBlock,
  MinLSTM,
  MogrifierLSTM,
  Noise,
  PeepholeLSTM,
  SequenceModel,
  Stack,
  bidirectional,
  length_mask,
  noise_keys,
  unroll,
)
from lstm_jax.cells.base import StateNoise

B, T, D, H = 3, 4, 2, 4
CELL = LSTM(H)
PARAMS = CELL.init(jax.random.key(0), D)
X = np.random.default_rng(0).standard_normal((B, T, D)).astype(np.float32)
STATE = LSTMState(np.ones((B, H), np.float32), np.ones((B, H), np.float32))


def with_noise(cell=CELL, **parts):
  params = cell.init(jax.random.key(0), D)
  return lambda: unroll(cell, params, X, noise=Noise(**parts))


def call(cell=CELL, params=PARAMS, x=X, state=None, **arguments):
  return lambda: unroll(cell, params, x, state, **arguments)


ONES = np.ones((B, T), np.float32)
GRU_PARAMS = GRU(H).init(jax.random.key(0), D)
STACK = Stack([LSTM(3), GRU(H)], D, rngs=nnx.Rngs(0))
MODEL = LanguageModel(
  [LSTM(H)], vocabulary_size=5, embedding_size=3, rngs=nnx.Rngs(0)
)
NUMBERS = SequenceModel(
  [LSTM(H)], input_size=D, output_size=3, symbols=False, rngs=nnx.Rngs(0)
)
WANTED = (
  r"state must be LSTMState\(h=float32\[3, 4\], c=float32\[3, 4\]\), got "
)


@pytest.mark.parametrize(
  "run, message",
  [
    (call(x=X[0]), r"x must be \[batch, time, features\], got \(4, 2\)"),
    (call(x=X[0] > 0), r"x must be \[batch, time, features\], got \(4, 2\)"),
    (call(x=X[:, :, :1]), "x: the cell takes 2 input features, got 1"),
    (call(x=X * 1j), r"x must be numbers, got complex64\(3, 4, 2\)"),
    (call(x=[["a", "b"]]), r"x must be numbers, got <U1\(1, 2\)"),
    (call(x=[[[1.0, 2.0], [3.0]]]), "x must be an array, got <class 'list'>"),
    (call(x=np.array([[0, 2]])), "x must be symbols from 0 to 1, got 2"),
    (call(x=jnp.array([[0, -1]])), "x must be symbols from 0 to 1, got -1"),
    (
      call(x=np.array([[2**32]])),  # which is 0 in 32 bits
      "x must be symbols from 0 to 1, got 4294967296",
    ),
    (
      call(
        MogrifierLSTM(H), MogrifierLSTM(H).init(jax.random.key(0), D), [[0]]
      ),
      "MogrifierLSTM takes no symbols here; give one-hot vectors",
    ),
    (call(params=[]), "params must be a dictionary, got"),
    (call(params={}), "params must be those of LSTM.*, got none"),
    (call(params=GRU_PARAMS), r"params must be b, .* got .*b_hn"),
    (call(PeepholeLSTM(H)), r"params must be b, p_f, p_i, p_o.* got w_x"),
    (call(GRU(H)), "params must be b, b_hn, .* got w_x"),
    (
      call(LSTM(H + 1)),
      r'params\["b"\] must be \(20,\) for LSTM.* and 2 input.*got \(16,\)',
    ),
    (call(params=PARAMS | {"b": "x"}), r'params\["b"\] must be numbers'),
    (
      call(state=tuple(STATE)),
      WANTED + r"\(float32\[3, 4\], float32\[3, 4\]\)",
    ),
    (call(state=STATE.h), WANTED + r"float32\[3, 4\]"),
    (call(state=STATE._asdict()), WANTED + r"\{'h'"),
    (
      call(state=jax.tree.map(lambda s: s[:2], STATE)),
      WANTED + r"LSTMState\(h=float32\[2, 4\]",
    ),
    (
      call(state=jax.tree.map(lambda s: s[:, :2], STATE)),
      WANTED + r"LSTMState\(h=float32\[3, 2\]",
    ),
    (call(state=GRU(H).initial_state(B)), WANTED + "GRUState"),
    (call(mask=ONES), r"mask must be booleans, got float32\(3, 4\)"),
    (call(reset=ONES), r"reset must be booleans, got float32\(3, 4\)"),
    (call(mask=2 * ONES.astype(int)), "mask must be 0 or 1, got 2 to 2"),
    (call(mask=ONES.T > 0), r"mask must be \(3, 4\), got \(4, 3\)"),
    (call(mask=[True] * T), r"mask must be \(3, 4\), got \(4,\)"),
    (call(mask=[[1, 0], [1]]), "mask must be an array, got <class 'list'>"),
    (call(noise=(None, None, None)), "noise must be a Noise, got"),
    (
      with_noise(recurrent=np.ones((B, 2, H))),
      r"noise.recurrent must be \(3, 4, 4\) or \(3, 1, 4\), got \(3, 2, 4\)",
    ),
    (with_noise(recurrent=np.ones((1, T, H))), r"got \(1, 4, 4\)"),
    (with_noise(step=np.ones((B, T, 1))), r"noise.step must be .*\(3, 4, 1\)"),
    (with_noise(hold=(1, 1)), r"noise.hold must be like the state, LSTMState"),
    (
      with_noise(hold=LSTMState(np.ones((B, H)), np.ones((B, H)))),
      r"noise.hold must be \(3, 4, 4\) or \(3, 1, 4\), got \(3, 4\)",
    ),
    (
      with_noise(MinLSTM(H), recurrent=np.ones((B, 1, H))),
      "noise.recurrent: MinLSTM has no recurrent product",
    ),
    (
      with_noise(MatrixLSTMBlock(H), step=np.ones((B, T, H))),
      "noise.step: MatrixLSTMBlock has no cell input",
    ),
    (
      with_noise(MogrifierLSTM(H), step=np.ones((B, T, H))),
      "noise.step must be a StateNoise for MogrifierLSTM, got float64",
    ),
    (
      with_noise(step=StateNoise(np.ones((B, T, H)))),
      "noise.step must be one array for LSTM, got StateNoise",
    ),
    (lambda: length_mask([5], T), "lengths must be from 0 to 4, got 5 to 5"),
    (lambda: length_mask([1, -1], T), "lengths must be from 0 to 4, got -1 to"),
    (lambda: length_mask([2.0], T), r"lengths must be integers \[batch\]"),
    (lambda: length_mask([True], T), r"lengths must be integers \[batch\]"),
    (lambda: length_mask(3, T), r"lengths must be integers \[batch\]"),
    (lambda: length_mask([3], 2.5), "time must be an integer, got 2.5"),
    (
      lambda: bidirectional((CELL,), (PARAMS, PARAMS), X),
      "cells must be a pair, forwards and backwards, got",
    ),
    (
      lambda: bidirectional((CELL, CELL), (PARAMS, PARAMS), X, STATE),
      "state must be a pair, forwards and backwards, got LSTMState",
    ),
    (
      lambda: bidirectional((CELL, CELL), PARAMS, X),
      "params must be a pair",
    ),
    (
      lambda: bidirectional((CELL, CELL), (PARAMS, PARAMS), X, noise=Noise()),
      "noise must be a pair",
    ),
    (
      lambda: STACK(X, STATE),
      "state must be one of each layer, 2, got LSTMSta",
    ),
    (
      lambda: STACK(X, (LSTM(3).initial_state(B),) * 2),
      r"state\[1\] must be GRUState\(h=float32\[3, 4\]\), got LSTMState",
    ),
    (lambda: STACK(X, mask=ONES), "mask must be booleans"),
    (lambda: STACK([[0, 2]]), "x must be symbols from 0 to 1, got 2"),
    (
      lambda: STACK(X, keys=jax.random.key(0)),
      r"keys must be made by noise_keys, got key",
    ),
    (
      lambda: STACK(X, keys=noise_keys(jax.random.key(0), np.arange(1))),
      r"keys.rows must be one key a row, \(3,\), got \(1,\)",
    ),
    (
      lambda: MODEL(np.array([[5]])),
      "inputs must be symbols from 0 to 4, got 5",
    ),
    (
      lambda: MODEL(np.array([0])),
      r"inputs must be \[batch, time\], got \(1,\)",
    ),
    (lambda: MODEL(ONES), "inputs must be symbols, which are integers, got fl"),
    (
      lambda: MODEL(ONES > 0),
      "inputs must be symbols, which are integers, got",
    ),
    (lambda: MODEL([[0]], STATE), "state must be one of each layer, 1"),
    (lambda: NUMBERS(X[:, :, :1]), r"inputs must be \[batch, time, 2\], got"),
    (lambda: NUMBERS(ONES), r"inputs must be \[batch, time, 2\], got \(3, 4\)"),
  ],
)
def test_what_is_refused_is_named(unchecked, run, message):
  with pytest.raises(ValueError, match=message):
    run()


def test_refusals_inside_jit(unchecked):
  """Types and shapes are known there."""
  for x, message in ((X[0], "batch, time"), (X * 1j, "must be numbers")):
    with pytest.raises(ValueError, match=message):
      jax.jit(lambda x: unroll(CELL, PARAMS, x))(x)
  with pytest.raises(ValueError, match="state must be LSTMState"):
    jax.jit(lambda s: unroll(CELL, PARAMS, X, tuple(s)))(STATE)
  with pytest.raises(ValueError, match="mask must be booleans"):
    jax.jit(lambda m: unroll(CELL, PARAMS, X, mask=m))(ONES)
