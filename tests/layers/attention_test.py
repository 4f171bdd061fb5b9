"""Attention over a whole sequence, and what a sequence is pooled to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import assert_close

from lstm_jax import length_mask, unroll
from lstm_jax.cells.attending import (
  SCORES,
  AttendingLSTM,
  attention_memory,
  score_params,
)
from lstm_jax.layers.attention import Attention, attend
from lstm_jax.layers.pooling import POOLINGS, AttentionPooling, pool

B, T, S, H, M = 3, 4, 5, 4, 2
LENGTHS = np.array([5, 2, 1])
MASK = np.arange(S) < LENGTHS[:, None]


def problem(seed=0):
  """Queries, keys and values in float64."""
  normal = np.random.default_rng(seed).standard_normal
  return normal((B, T, H)), normal((B, S, H)), normal((B, S, M))


def oracle(score, p, queries, keys, values):
  """What one query of one row reads after the other."""
  read, weights = np.zeros((B, T, M)), np.zeros((B, T, S))
  for b, t in np.ndindex(B, T):
    q, n = queries[b, t], LENGTHS[b]
    if score != "dot":
      q = q @ p["w_q"]
    z = np.array(
      [
        p["u"] @ np.tanh(q + k) if score == "additive" else q @ k
        for k in keys[b, :n]
      ]
    )
    weights[b, t, :n] = np.exp(z) / np.exp(z).sum()
    read[b, t] = weights[b, t] @ values[b]
  return read, weights


@pytest.mark.parametrize("score", SCORES)
def test_attention_equals_its_oracle(x64, score):
  queries, keys, values = problem()
  dirty = np.where(MASK[..., None], values, np.nan)
  params = jax.tree.map(
    lambda p: np.random.default_rng(1).standard_normal(p.shape),
    score_params(score, jax.random.key(0), H, H),
  )
  found = attend(queries, keys, dirty, MASK, score=score, params=params)
  assert_close(found, oracle(score, params, queries, keys, values), 1e-13)
  module = Attention(score, H, H, rngs=nnx.Rngs(0))
  own = {name: np.asarray(p[...], float) for name, p in module.params.items()}
  found = module(queries, keys, values, MASK)
  assert_close(found, oracle(score, own, queries, keys, values), 1e-12)


def test_attention_outside_reads_what_the_cell_reads(x64):
  """Of its hidden states, the cell having read after each step."""
  cell = AttendingLSTM(H, memory_size=M, score="general")
  params, x = cell.init(jax.random.key(0), M), problem()[0][:, :, :M]
  _, keys, values = problem()
  memory = attention_memory(keys, values, MASK)
  y, _ = unroll(cell, params, x, context=memory)
  own = {"w_q": params["w_q"]}
  read, _ = attend(y[..., :H], keys, values, MASK, score="general", params=own)
  assert_close(read, y[..., H:], 1e-13)


def test_attention_in_bfloat16_sums_in_float32():
  arrays = jax.tree.map(lambda a: jnp.asarray(a, jnp.bfloat16), problem())
  with jax.numpy_dtype_promotion("strict"):
    read, weights = attend(*arrays, MASK)
  assert read.dtype == jnp.bfloat16 and weights.dtype == jnp.float32
  np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)


def test_wrong_arguments_of_attention_are_named(unchecked):
  queries, keys, values = map(np.float32, problem())
  params = score_params("general", jax.random.key(0), H, 6)
  for run, message in (
    (lambda: attend(queries[0], keys, values), r"queries must be \[batch, tim"),
    (lambda: attend(queries, keys[0], values), r"keys must be \[batch, source"),
    (lambda: attend(queries, keys[:2], values[:2]), r"keys must be \[3, sourc"),
    (lambda: attend(queries, keys[..., :3], values), "keys must be .* 4], got"),
    (
      lambda: attend(queries, keys, values, score="general", params=params),
      r"keys must be \[3, source, 6\], got \(3, 5, 4\)",
    ),
    (
      lambda: attend(queries, keys, values[:, 1:]),
      r"values must be \[3, 5, fe",
    ),
    (
      lambda: attend(queries, keys, values, MASK[:, 1:]),
      r"mask must be \(3, 5",
    ),
    (lambda: Attention("cosine", H, H, rngs=nnx.Rngs(0)), "score must be one"),
  ):
    with pytest.raises(ValueError, match=message):
      run()


@pytest.mark.parametrize("name", [*POOLINGS, "attention"])
def test_a_padded_sequence_is_pooled_as_the_shorter_one(name):
  features = np.random.default_rng(0).standard_normal((4, S, 3)) - 3
  features = features.astype(np.float32)
  mask = length_mask(np.array([5, 2, 1, 0]), S)
  dirty = np.where(mask[..., None], features, np.nan)
  if name == "attention":
    module = AttentionPooling(3, 6, rngs=nnx.Rngs(0))
    nnx.update(module, jax.tree.map(lambda a: a + 0.3, nnx.state(module)))

  def run(features, mask=None):
    if name == "attention":
      return module(features, mask)[0]
    return pool(name, features, mask)

  expected = {
    "last": lambda a: a[-1],
    "mean": lambda a: a.mean(0),
    "max": lambda a: a.max(0),
    "attention": lambda a: attention_oracle(module, a),
  }[name]
  found, grads = jax.value_and_grad(lambda f: (run(f, mask) ** 2).sum())(dirty)
  assert np.isfinite(found) and np.isfinite(grads).all()
  np.testing.assert_array_equal(grads[~mask], 0.0)
  found = run(dirty, mask)
  np.testing.assert_array_equal(found[3], 0.0)
  for row, n in enumerate((5, 2, 1)):
    piece = features[row, :n]
    np.testing.assert_allclose(found[row], expected(piece), rtol=2e-6)
    np.testing.assert_allclose(found[row], run(piece[None])[0], rtol=2e-6)


def attention_oracle(module, features):
  w, b, query = (
    np.asarray(p[...], float) for p in (module.w, module.b, module.query)
  )
  z = np.tanh(features @ w + b) @ query
  return np.exp(z) / np.exp(z).sum() @ features


def test_the_last_step_need_not_be_before_the_padding():
  features = np.arange(8.0, dtype=np.float32).reshape(1, 4, 2)
  mask = np.array([[True, False, True, False]])
  np.testing.assert_array_equal(pool("last", features, mask), [[4.0, 5.0]])
  np.testing.assert_array_equal(pool("mean", features, mask), [[2.0, 3.0]])


def test_wrong_arguments_of_pooling_are_named(unchecked):
  with pytest.raises(ValueError, match="name must be one of"):
    pool("median", np.ones((B, T, H)))
  with pytest.raises(ValueError, match=r"features must be \[batch, time, feat"):
    pool("last", np.ones((B, T)))
  with pytest.raises(ValueError, match=r"mask must be \(3, 4\)"):
    pool("last", np.ones((B, T, H)), np.ones((B, H + 1), bool))
