"""The LSTM that attends, against an oracle that goes from number to number."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference_cells import sigmoid
from scan_test import assert_close

from lstm_jax import Options, length_mask, unroll
from lstm_jax.cells.attending import (
  SCORES,
  AttendingLSTM,
  AttendingState,
  AttentionMemory,
  attention_memory,
)

B, T, S, D, H, M = 3, 4, 5, 2, 4, 3
LENGTHS = np.array([5, 2, 1])
CASES = list(itertools.product(SCORES, (False, True)))


def make(score, before):
  return AttendingLSTM(
    H,
    memory_size=M,
    key_size=H if score == "dot" else 6,
    score=score,
    before=before,
  )


def problem(cell, seed=0):
  """Parameters, inputs, state and memory in float64, of several lengths."""
  normal = np.random.default_rng(seed).standard_normal
  params, state = jax.tree.map(
    lambda a: normal(a.shape) / 2,
    (cell.init(jax.random.key(0), D), cell.initial_state(B)),
  )
  live = np.arange(S) < LENGTHS[:, None]
  memory = AttentionMemory(
    normal((B, S, cell.key_size)),
    normal((B, S, M)),
    np.where(live, 0.3 * normal((B, S)), -1e30),
  )
  return params, normal((B, T, D)), state, memory


def read(p, cell, q, keys, values, bias):
  """Of one row, one place after the other."""
  scores = []
  for k, b in zip(keys, bias):
    if cell.score == "additive":
      score = p["u"] @ np.tanh(q @ p["w_q"] + k)
    else:
      score = (q @ p["w_q"] if cell.score == "general" else q) @ k
    scores.append(score + b)
  a = np.exp(np.array(scores) - max(scores))
  return sum(weight * v for weight, v in zip(a / a.sum(), values))


def oracle(cell, p, x, state, memory):
  """Outputs [b t h+m], and the final h, c and read."""
  h, c, last = (np.array(s, float) for s in state)
  y = np.zeros((B, T, H + M))
  for row in range(B):
    source = [a[row, : LENGTHS[row]] for a in memory]
    for t in range(T):
      if cell.before:
        last[row] = read(p, cell, h[row], *source)
      r = np.concatenate([h[row], last[row]])
      i, f, g, o = np.split(x[row, t] @ p["w_x"] + r @ p["w_h"] + p["b"], 4)
      c[row] = sigmoid(f) * c[row] + sigmoid(i) * np.tanh(g)
      h[row] = sigmoid(o) * np.tanh(c[row])
      if not cell.before:
        last[row] = read(p, cell, h[row], *source)
      y[row, t] = np.concatenate([h[row], last[row]])
  return y, AttendingState(h, c, last)


@pytest.mark.parametrize("score, before", CASES)
def test_the_attending_lstm_equals_its_oracle(x64, score, before):
  """Values, and gradients of parameters, inputs, state and memory against
  finite differences of the oracle along random directions."""
  cell = make(score, before)
  arguments = problem(cell)
  normal = np.random.default_rng(1).standard_normal
  weight, ends = normal((B, T, H + M)), normal((B, H))

  def total(y, end):
    return (weight * y).sum() + (ends * (end.h + end.c)).sum() + end.read.sum()

  @jax.jit
  def run(params, x, state, memory):
    def loss(*arguments):
      *arguments, memory = arguments
      out = unroll(cell, *arguments, context=memory)
      return total(*out), out

    return jax.value_and_grad(loss, (0, 1, 2, 3), has_aux=True)(
      params, x, state, memory
    )

  (_, found), grads = run(*arguments)
  assert_close(found, oracle(cell, *arguments), 1e-13)
  for seed in range(3):
    along = np.random.default_rng(2 + seed)
    direction = jax.tree.map(
      lambda a: along.standard_normal(np.shape(a)), arguments
    )
    moved = [
      jax.tree.map(lambda a, d: a + sign * 1e-5 * d, arguments, direction)
      for sign in (1, -1)
    ]
    up, down = (total(*oracle(cell, *m)) for m in moved)
    inner = sum(
      (np.asarray(g) * d).sum()
      for g, d in zip(jax.tree.leaves(grads), jax.tree.leaves(direction))
    )
    # Errors of the differences: 1e-10 of the step, 1e-11 of rounding.
    assert abs((up - down) / 2e-5 - inner) < 1e-7 * max(1, abs(inner))


@pytest.mark.parametrize("score, before", CASES)
def test_a_masked_source_is_the_shorter_source(x64, score, before):
  cell = make(score, before)
  params, x, state, (keys, values, _) = problem(cell)
  mask = length_mask(LENGTHS, S)
  dirty = jnp.where(mask[..., None], values, jnp.nan)
  y, end = unroll(
    cell, params, x, state, context=attention_memory(keys, dirty, mask)
  )
  for row, n in enumerate(LENGTHS):
    here = slice(row, row + 1)
    short = attention_memory(keys[here, :n], values[here, :n])
    start = jax.tree.map(lambda s: s[here], state)
    expected = unroll(cell, params, x[here], start, context=short)
    got = y[here], jax.tree.map(lambda s: s[here], end)
    assert_close(got, expected, 1e-14)


def test_of_an_empty_source_nothing_is_read():
  cell = make("additive", False)
  params, x, _, (keys, values, _) = problem(cell)
  mask = length_mask(np.array([5, 0, 1]), S)

  def total(params, values):
    memory = attention_memory(keys, values, mask)
    y, _ = unroll(cell, params, x, context=memory)
    return (y**2).sum(), y

  (_, y), grads = jax.value_and_grad(total, (0, 1), has_aux=True)(
    params, values
  )
  np.testing.assert_array_equal(y[1, :, H:], 0.0)
  assert (y[0, :, H:] != 0).all()
  assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
  np.testing.assert_array_equal(grads[1][1], 0.0)


def test_initial_parameters_are_an_lstms_and_the_attentions():
  cell = AttendingLSTM(H, memory_size=M, key_size=6)
  params = cell.init(jax.random.key(0), D)
  assert {k: p.shape for k, p in params.items()} == {
    "w_x": (D, 4 * H),
    "w_h": (H + M, 4 * H),
    "b": (4 * H,),
    "w_q": (H, 6),
    "u": (6,),
  }
  np.testing.assert_allclose(
    params["w_h"][:H, :H] @ params["w_h"][:H, :H].T, np.eye(H), atol=1e-6
  )
  assert np.abs(params["w_h"][H:]).max() <= (3 / M) ** 0.5


def test_wrong_scores_and_sizes_are_named():
  with pytest.raises(ValueError, match="score must be one of"):
    AttendingLSTM(H, memory_size=M, score="cosine")
  with pytest.raises(ValueError, match="memory_size must be 1 or more"):
    AttendingLSTM(H, memory_size=0)
  cell = AttendingLSTM(H, memory_size=M, key_size=6, score="dot")
  with pytest.raises(ValueError, match="keys as wide as queries, 4, got 6"):
    cell.init(jax.random.key(0), D)
  cell = make("additive", False)
  params, x, state, memory = problem(cell)
  with pytest.raises(ValueError, match='engine="cudnn" cannot serve this call'):
    unroll(
      cell,
      params,
      x,
      state,
      context=memory,
      options=Options(engine="cudnn"),
    )
