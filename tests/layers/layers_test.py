"""Stacks, the embedding's gradient and the softmax's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_jax import LSTM, bidirectional, length_mask, unroll
from lstm_jax.cells.gru import GRU
from lstm_jax.cells.projection import ProjectionLSTM
from lstm_jax.layers import embedding, softmax
from lstm_jax.layers.stack import Stack

B, T, D = 3, 7, 5
KEY = jax.random.key(0)


def params_of(layer):
  return {name: param[...] for name, param in layer.items()}


def test_layers_may_be_of_any_cells_and_sizes():
  cells = [LSTM(4), GRU(6), ProjectionLSTM(8, projection_size=3)]
  stack = Stack(cells, D, rngs=nnx.Rngs(0))
  assert stack.output_size == 3
  x = jax.random.normal(KEY, (B, T, D))
  y, state = stack(x)
  expected = x
  for cell, layer, after in zip(cells, stack.layers, state):
    expected, end = unroll(cell, params_of(layer), expected)
    assert_close(end, after, 1e-6)
  assert_close(y, expected, 1e-6)
  # Two windows are one sequence.
  first, between = stack(x[:, :3])
  second, _ = stack(x[:, 3:], between)
  assert_close(jnp.concatenate([first, second], 1), y, 1e-6)


def test_residual_connections_where_widths_agree():
  cells = [LSTM(4), LSTM(4), LSTM(D)]
  stack = Stack(cells, D, residual=True, rngs=nnx.Rngs(0))
  x = jax.random.normal(KEY, (B, T, D))
  one, two, three = (params_of(layer) for layer in stack.layers)
  first, _ = unroll(cells[0], one, x)  # 5 -> 4: none
  second = first + unroll(cells[1], two, first)[0]
  third, _ = unroll(cells[2], three, second)
  assert_close(stack(x)[0], third, 1e-6)


def test_the_output_may_be_normalised():
  cells = [LSTM(4), LSTM(4)]
  stack, plain = (
    Stack(cells, D, residual=True, output_norm=norm, rngs=nnx.Rngs(0))
    for norm in (True, False)
  )
  stack.gain[...] = jnp.array([1.0, 2.0, 3.0, 0.0])
  x = jax.random.normal(KEY, (B, T, D))
  y, found = plain(x)[0], stack(x)[0]
  z = (y - y.mean(-1, keepdims=True)) / jnp.sqrt(
    y.var(-1, keepdims=True) + 1e-5
  )
  assert_close(found, stack.gain[...] * z, 1e-6)


def test_a_bidirectional_stack_with_lengths_and_documents():
  cells = [LSTM(4), GRU(3)]
  stack = Stack(cells, D, bidirectional=True, rngs=nnx.Rngs(0))
  assert stack.output_size == 6
  x = jax.random.normal(KEY, (B, T, D))
  arguments = {
    "mask": length_mask(np.array([7, 4, 0]), T),
    "reset": jnp.zeros((B, T), bool).at[0, 3].set(True),
  }
  y, state = stack(x, **arguments)
  expected = x
  for cell, layer, after in zip(cells, stack.layers, state):
    params = tuple(map(params_of, layer))
    expected, end = bidirectional((cell, cell), params, expected, **arguments)
    assert_close(end, after, 1e-6)
  assert_close(y, expected, 1e-6)
  forth, back = (params_of(layer)["w_h"] for layer in stack.layers[0])
  assert (forth != back).any()
  again, _ = stack(x, stack.initial_state(B), **arguments)
  assert_close(again, y, 0.0)


@settings(max_examples=8, deadline=None)
@given(
  tokens=st.lists(st.integers(-2, 9), min_size=0, max_size=24),
  columns=st.sampled_from([1, 2, 3]),
)
def test_the_embeddings_gradient_is_the_gathers(tokens, columns):
  """Also of tokens out of range, and of none."""
  tokens = np.array(tokens[: len(tokens) // columns * columns], np.int32)
  tokens = tokens.reshape(-1, columns)
  with jax.enable_x64(True):
    table = np.random.default_rng(0).standard_normal((8, 3))
    weight = np.random.default_rng(1).standard_normal((*tokens.shape, 3))
    found, expected = (
      jax.value_and_grad(lambda table: (f(table, tokens) * weight).sum())(table)
      for f in (embedding.lookup, embedding.plain_lookup)
    )
    assert_close(found, expected, 1e-14)


def test_cross_entropy_and_its_gradient(x64):
  rng = np.random.default_rng(0)
  arguments = [rng.standard_normal(s) for s in ((B, T, 4), (4, 11), (11,))]
  targets = rng.integers(0, 11, (B, T)).astype(np.int32)
  weight = rng.standard_normal((B, T))

  def run(f):
    return jax.value_and_grad(
      lambda *a: (f(*a, targets) * weight).sum(), (0, 1, 2)
    )(*arguments)

  assert_close(
    run(softmax.cross_entropy), run(softmax.plain_cross_entropy), 1e-13
  )
  z = arguments[0] @ arguments[1] + arguments[2]
  p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
  nll = -np.log(np.take_along_axis(p, targets[..., None], -1))[..., 0]
  assert_close(softmax.cross_entropy(*arguments, targets), nll, 1e-13)


def test_cross_entropy_of_huge_logits_is_finite():
  features = jnp.array([[3e4], [-3e4]], jnp.float32)
  w, b = jnp.array([[1.0, -1.0]]), jnp.zeros(2)
  targets = np.array([0, 0], np.int32)

  def total(features):
    return softmax.cross_entropy(features, w, b, targets).sum()

  value, gradient = jax.value_and_grad(total)(features)
  assert float(value) == 6e4
  np.testing.assert_array_equal(gradient, [[0.0], [-2.0]])


@pytest.mark.parametrize("loss", ["cross_entropy", "plain_cross_entropy"])
def test_logits_of_bfloat16_features_are_float32(loss):
  features = jax.random.normal(KEY, (B, T, 4), jnp.bfloat16)
  w, b = jax.random.normal(KEY, (4, 11)), jnp.zeros(11)
  targets = np.zeros((B, T), np.int32)
  assert softmax.logits(features, w, b).dtype == jnp.float32

  def total(features, w):
    return getattr(softmax, loss)(features, w, b, targets).sum()

  dfeatures, dw = jax.grad(total, (0, 1))(features, w)
  assert dfeatures.dtype == jnp.bfloat16 and dw.dtype == jnp.float32
  exact, _ = jax.grad(total, (0, 1))(features.astype(jnp.float32), w)
  assert_close(dfeatures.astype(jnp.float32), exact, 0.02)  # 2^-9 a number
