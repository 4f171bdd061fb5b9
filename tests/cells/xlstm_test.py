"""sLSTM and mLSTM: heads, stabilisers, large gates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_cells
from cell_problems import BLOCK, XLSTM, B, D, T, problem, unscaled
from helpers import assert_close

from lstm_jax import Options, unroll
from lstm_jax.cells.matrix_lstm import MatrixLSTM
from lstm_jax.cells.matrix_lstm_block import MatrixLSTMBlock
from lstm_jax.cells.slstm import SLSTM
from lstm_jax.recurrence.products import recurrent_gradient, recurrent_product


def test_block_diagonal_product_is_the_full_one(x64):
  rng = np.random.default_rng(0)
  blocks = rng.standard_normal((3, 2, 5))
  full = np.zeros((6, 15))
  for k in range(3):
    full[2 * k : 2 * k + 2, 5 * k : 5 * k + 5] = blocks[k]
  r, dz = rng.standard_normal((T, B, 6)), rng.standard_normal((T, B, 15))
  assert_close(recurrent_product(r, blocks), r @ full, 1e-15)
  transposed = np.swapaxes(blocks, 1, 2)
  assert_close(recurrent_product(dz, transposed), dz @ full.T, 1e-15)
  found = recurrent_gradient(r, dz, blocks)
  expected = recurrent_gradient(r, dz, full)
  for k in range(3):
    part = expected[2 * k : 2 * k + 2, 5 * k : 5 * k + 5]
    assert_close(found[k], part, 1e-14)


def test_heads_do_not_see_each_other(x64):
  """Each head of an sLSTM is an sLSTM of its own."""
  cell = SLSTM(6, heads=2)
  params, x, state = problem(cell)
  y, _ = unroll(cell, params, x, state)
  for k in range(2):
    units, gates = slice(3 * k, 3 * k + 3), slice(12 * k, 12 * k + 12)
    own = {
      "w_x": params["w_x"][:, gates],
      "w_h": params["w_h"][k : k + 1],
      "b": params["b"][gates],
    }
    part = jax.tree.map(lambda s: s[:, units], state)
    assert_close(unroll(SLSTM(3), own, x, part)[0], y[:, :, units], 1e-14)


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_the_stabiliser_of_slstm_changes_nothing(x64, forget):
  """The equations without m, from nothing at all, gates within a few units."""
  cell = SLSTM(6, forget=forget)
  params, x, _ = problem(cell)
  h = c = n = np.zeros((B, 6))
  for t in range(T):
    z = x[:, t] @ params["w_x"] + h @ params["w_h"][0] + params["b"]
    i, f, g, o = np.split(z, 4, axis=1)
    i = np.exp(i)
    f = reference_cells.sigmoid(f) if forget == "sigmoid" else np.exp(f)
    c, n = f * c + i * np.tanh(g), f * n + i
    h = reference_cells.sigmoid(o) * c / n
  y, final = unroll(cell, params, x)
  assert_close(y[:, -1], h, 1e-13)
  final = unscaled(final)
  assert_close((final.c, final.n), (c, n), 1e-13)


def test_the_stabiliser_of_matrix_lstm_changes_nothing(x64):
  cell = MatrixLSTM(3)
  params, x, _ = problem(cell)
  h, c, n = np.zeros((B, 3)), np.zeros((B, 3, 3)), np.zeros((B, 3))
  for t in range(T):
    z = x[:, t] @ params["w_x"] + params["b"]
    q, k, v, o, i, f = np.split(z, [3, 6, 9, 12, 13], axis=1)
    i, f, k = np.exp(i), reference_cells.sigmoid(f), k / 3**0.5
    c = f[:, :, None] * c + i[:, :, None] * v[:, :, None] * k[:, None, :]
    n = f * n + i * k
    size = np.maximum(np.abs((n * q).sum(1, keepdims=True)), 1)
    h = reference_cells.sigmoid(o) * np.einsum("bvk,bk->bv", c, q) / size
  y, final = unroll(cell, params, x)
  assert_close(y[:, -1], h, 1e-13)
  final = unscaled(final)
  assert_close((final.c[:, 0], final.n[:, 0]), (c, n), 1e-13)


@pytest.mark.parametrize("cell", [*XLSTM, BLOCK], ids=str)
def test_outputs_do_not_depend_on_the_stabiliser(x64, cell):
  """Another m, with c and n to fit: the same outputs, and no gradient."""
  params, x, state = problem(cell)

  def shifted(shift):
    scale = jax.tree.map(lambda a: jnp.exp(-shift) * a, state)
    moved = state._replace(c=scale.c, n=scale.n, m=state.m + shift)
    return unroll(cell, params, x, moved)[0]

  shifted = jax.jit(shifted)
  assert_close(shifted(3.0), shifted(0.0), 1e-13)
  slope = jax.grad(lambda shift: (shifted(shift) ** 2).sum())(0.5)
  assert abs(slope) < 1e-13 * (shifted(0.0) ** 2).sum()


@pytest.mark.parametrize(
  "cell, chunk",  # None is step by step
  [(cell, None) for cell in XLSTM]
  + [
    (cell, chunk)
    for cell in XLSTM
    if isinstance(cell, MatrixLSTM)
    for chunk in (0, 8)
  ],
  ids=str,
)
def test_large_gate_inputs_stay_finite(cell, chunk):
  """Gate inputs of up to 50 either way in float32; exp(50)^2 is infinite."""
  params = cell.init(jax.random.key(0), D)
  width = params["b"].shape[0]
  params["w_x"] = jnp.zeros((D, width)).at[0].set(1.0)
  x = jnp.zeros((2, 40, D))
  x = x.at[0, :, 0].set(50 * (-1.0) ** jnp.arange(40))
  x = x.at[1, :, 0].set(jnp.linspace(-50, 50, 40))

  @jax.jit
  def run(params, x):
    def loss(params, x):
      start = cell.initial_state(2)
      if chunk is None:
        step_by_step = Options(engine="scan")
        y, end = unroll(cell, params, x, start, options=step_by_step)
      else:
        y, end = cell.parallel(params, x, start, chunk=chunk)
      return (y**2).sum(), (y, end)

    return jax.grad(loss, (0, 1), has_aux=True)(params, x)

  assert all(np.isfinite(a).all() for a in jax.tree.leaves(run(params, x)))


def test_wrong_options_of_xlstm_are_named():
  for make in (SLSTM, MatrixLSTM):
    with pytest.raises(ValueError, match="5 must be a multiple of heads 2"):
      make(5, heads=2)
  with pytest.raises(ValueError, match="hidden_size 5 must be even"):
    MatrixLSTMBlock(5)
  with pytest.raises(ValueError, match="12, must be a multiple of heads 5"):
    MatrixLSTMBlock(6, heads=5)
  with pytest.raises(ValueError, match="forget must be one of sigmoid, exp"):
    SLSTM(4, forget="tanh")
