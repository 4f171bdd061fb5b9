"""Integers as inputs are one-hot vectors, in every cell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import slow_but

from lstm_jax import Options, length_mask, unroll
from lstm_jax.cells.registry import CELLS

B, T, V, H = 3, 5, 4, 6
WITHOUT = {"mogrifier"}  # no matrix w_x


def make(name):
  options = {"projection_size": 2} if name == "projection" else {}
  cell = CELLS[name](hidden_size=H, **options)
  return cell, cell.init(jax.random.key(0), V)


@pytest.mark.parametrize(
  "name",
  slow_but(
    sorted(CELLS.keys() - WITHOUT),
    ["lstm", "lstm_1997"],
  ),
)
def test_symbols_are_one_hot_vectors(name, x64):
  cell, params = make(name)
  params = jax.tree.map(lambda p: p.astype(jnp.float64), params)
  x = jax.random.randint(jax.random.key(1), (B, T), 0, V)
  mask = length_mask(np.array([5, 3, 1]), T)

  @jax.jit
  def value_and_gradient(params, x):
    def total(params):
      y, state = unroll(cell, params, x, mask=mask, options=Options(chunk=2))
      return sum(jnp.sin(leaf).sum() for leaf in jax.tree.leaves((y, state)))

    return jax.value_and_grad(total)(params)

  found = value_and_gradient(params, x)
  expected = value_and_gradient(params, jax.nn.one_hot(x, V, dtype="float64"))
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_a_cell_without_a_matrix_takes_none():
  cell, params = make("mogrifier")
  with pytest.raises(ValueError, match="takes no symbols here; give one-hot"):
    unroll(cell, params, jnp.zeros((B, T), jnp.int32))
