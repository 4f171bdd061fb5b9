"""The same numbers as torch.nn.LSTM and Flax's cells, on the same weights."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from helpers import assert_close

from lstm_jax import LSTM, LSTMState, bidirectional, unroll
from lstm_jax.cells.gru import GRU, GRUState

FILE = (
  pathlib.Path(__file__).parent.parent / "torch_records" / "torch_lstm.npz"
)  # record_torch.py
# 1e-12: float64 sums in another order, some 100 roundings of 1e-16 each.
TOLERANCE = 1e-12


def from_torch(record, suffix: str):
  """torch's weights [4h d], gate order i f g o, with two biases, as ours."""
  return {
    "w_x": record[f"weight_ih_{suffix}"].T,
    "w_h": record[f"weight_hh_{suffix}"].T,
    "b": record[f"bias_ih_{suffix}"] + record[f"bias_hh_{suffix}"],
  }


def run_torch_case(case: str, params, x, h0, c0):
  """Outputs and final states, as torch stacks them."""
  cell = LSTM(h0.shape[-1])
  starts = [LSTMState(h, c) for h, c in zip(h0, c0)]
  if case == "bidirectional":
    x, finals = bidirectional((cell, cell), tuple(params), x, tuple(starts))
  else:
    finals = []
    for p, start in zip(params, starts):
      x, final = unroll(cell, p, x, start)
      finals.append(final)
  return x, jnp.stack([s.h for s in finals]), jnp.stack([s.c for s in finals])


@pytest.mark.parametrize(
  "case, suffixes",
  [
    ("one", ["l0"]),
    ("two", ["l0", "l1"]),
    ("bidirectional", ["l0", "l0_reverse"]),
  ],
)
def test_unroll_equals_torch(x64, case, suffixes):
  with np.load(FILE) as file:
    record = file[case]  # one field an array
  params = [from_torch(record, suffix) for suffix in suffixes]
  out, vjp = jax.vjp(
    lambda *arguments: run_torch_case(case, *arguments),
    *(params, record["x"], record["h0"], record["c0"]),
  )
  assert_close(out, tuple(record[k] for k in ("y", "h", "c")), TOLERANCE)
  dparams, *dinputs = vjp(
    tuple(jnp.asarray(record[k]) for k in ("dy", "dh", "dc"))
  )
  for name, gradient in zip(("x", "h0", "c0"), dinputs, strict=True):
    assert_close(gradient, record[f"grad_{name}"], TOLERANCE)
  for gradient, suffix in zip(dparams, suffixes, strict=True):
    theirs = {
      k: record[f"grad_{k}_{suffix}"] for k in ("weight_ih", "weight_hh")
    }
    assert_close(gradient["w_x"], theirs["weight_ih"].T, TOLERANCE)
    assert_close(gradient["w_h"], theirs["weight_hh"].T, TOLERANCE)
    for bias in ("bias_ih", "bias_hh"):  # of a sum: each has the sum's gradient
      assert_close(gradient["b"], record[f"grad_{bias}_{suffix}"], TOLERANCE)


def join(dense, names: list[str], field: str):
  return jnp.concatenate([dense[name][field] for name in names], axis=-1)


def lstm_from_linen(dense):
  """OptimizedLSTMCell's eight dense layers; those of h hold the biases."""
  return {
    "w_x": join(dense, ["ii", "if", "ig", "io"], "kernel"),
    "w_h": join(dense, ["hi", "hf", "hg", "ho"], "kernel"),
    "b": join(dense, ["hi", "hf", "hg", "ho"], "bias"),
  }


def gru_from_linen(dense):
  """GRUCell's six dense layers; its z is our u."""
  return {
    "w_x": join(dense, ["ir", "iz", "in"], "kernel"),
    "w_h": join(dense, ["hr", "hz", "hn"], "kernel"),
    "b": join(dense, ["ir", "iz", "in"], "bias"),
    "b_hn": dense["hn"]["bias"],
  }


def lstm_state(carry):
  c, h = carry
  return LSTMState(h=h, c=c)


@pytest.mark.parametrize(
  "theirs, ours, convert, convert_state",
  [
    (nn.OptimizedLSTMCell, LSTM, lstm_from_linen, lstm_state),
    (nn.GRUCell, GRU, gru_from_linen, GRUState),
  ],
)
def test_unroll_equals_flax(x64, theirs, ours, convert, convert_state):
  batch, time, inputs, hidden = 2, 6, 3, 4
  model = nn.RNN(theirs(hidden, param_dtype=jnp.float64), return_carry=True)
  normal = np.random.default_rng(0).standard_normal
  x = normal((batch, time, inputs))
  dense = model.init(jax.random.key(0), x)["params"]["cell"]
  dense = jax.tree.map(lambda a: normal(a.shape) / 2, dense)  # biases, too
  start = jax.tree.map(
    lambda a: normal(a.shape),
    theirs(hidden).initialize_carry(jax.random.key(0), (batch, inputs)),
  )

  def run_theirs(dense, x, start):
    variables = {"params": {"cell": dense}}
    carry, y = model.apply(variables, x, initial_carry=start)
    return y, convert_state(carry)

  def run_ours(dense, x, start):  # gradients come back through `convert`
    return unroll(ours(hidden), convert(dense), x, convert_state(start))

  a, vjp = jax.vjp(run_theirs, dense, x, start)
  b, our_vjp = jax.vjp(run_ours, dense, x, start)
  assert_close(b, a, TOLERANCE)
  cotangents = jax.tree.map(lambda leaf: jnp.asarray(normal(leaf.shape)), a)
  assert_close(our_vjp(cotangents), vjp(cotangents), TOLERANCE)
