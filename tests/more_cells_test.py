"""The 1997 cell, and the cells whose state is more than two vectors."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_cells
from cells_test import B, D, T, problem, unscaled
from recurrence_test import assert_close

from lstm_jax import Options, unroll
from lstm_jax.cells.conv_lstm import ConvLSTM
from lstm_jax.cells.lstm_1997 import LSTM1997
from lstm_jax.cells.matrix_lstm import MatrixLSTM
from lstm_jax.cells.min_lstm import MinLSTM
from lstm_jax.cells.slstm import SLSTM
from lstm_jax.recurrent_product import recurrent_gradient, recurrent_product

MASK = np.random.default_rng(7).random((B, T)) < 0.6
RESET = np.random.default_rng(8).random((B, T)) < 0.3
FLAGS = {
  "plain": {},
  "mask": {"mask": MASK},
  "reset": {"reset": RESET},
  "both": {"mask": MASK, "reset": RESET},
}
XLSTM = [SLSTM(6, heads=2), SLSTM(6, forget="exp"), MatrixLSTM(6, heads=2)]
CONV = ConvLSTM(2, (3, 2), peepholes=True)
NEW = [LSTM1997(6, block_size=2), MinLSTM(6), *XLSTM, CONV]
each_new_cell = pytest.mark.parametrize("cell", NEW, ids=str)


@each_new_cell
def test_two_windows_equal_one_sequence(x64, cell):
  params, x, state = problem(cell)
  whole, final = unroll(cell, params, x, state)
  first, between = unroll(cell, params, x[:, :2], state)
  second, last = unroll(cell, params, x[:, 2:], between)
  assert_close(jnp.concatenate([first, second], 1), whole, 1e-14)
  assert_close(last, final, 1e-14)


@each_new_cell
def test_a_masked_row_is_the_shorter_sequence(x64, cell):
  params, x, state = problem(cell)
  y, final = unroll(cell, params, x, state, mask=MASK)
  np.testing.assert_array_equal(y[~MASK], 0.0)
  for row in range(B):
    before = jax.tree.map(lambda s: s[row : row + 1], state)
    short, end = unroll(cell, params, x[row : row + 1, MASK[row]], before)
    assert_close(y[row][MASK[row]], short[0], 1e-14)
    for found, expected in zip(final, end):
      assert_close(found[row], expected[0], 1e-14)


@each_new_cell
@pytest.mark.parametrize("name", FLAGS)
def test_fused_gradients_equal_autodiff(x64, cell, name):
  arguments = problem(cell)

  @functools.partial(jax.jit, static_argnums=0)
  def gradients(options, *arguments):
    def loss(*arguments):
      y, end = unroll(cell, *arguments, **FLAGS[name], options=options)
      return (y**2).sum() + sum((e**3).sum() for e in end)

    return jax.grad(loss, (0, 1, 2))(*arguments)

  fused = gradients(Options(chunk=4), *arguments)
  autodiff = gradients(Options(backward="autodiff"), *arguments)
  assert_close(fused, autodiff, 1e-12)


# Hochreiter & Schmidhuber 1997


def test_the_gradient_of_1997_is_truncated(x64):
  """The gradient of the same function with r_t held constant."""
  cell = LSTM1997(6, block_size=2)
  params, x, state = problem(cell)
  rng = np.random.default_rng(1)
  weight = rng.standard_normal((B, T, 6))

  def oracle(params, held=None):
    s, rs, total = tuple(state), [], 0.0
    for t in range(T):
      rs.append(np.concatenate([s[0], s[2]], 1))
      r = None if held is None else held[t]
      s = reference_cells.lstm_1997(params, x[:, t], s, cell, r)
      total += (s[0] * weight[:, t]).sum()
    return total, rs

  def loss(params, backward):
    options = Options(backward=backward)
    return (unroll(cell, params, x, state, options=options)[0] * weight).sum()

  total, held = oracle(params)
  for backward in ("fused", "autodiff"):
    value, grads = jax.value_and_grad(loss)(params, backward)
    assert_close(value, total, 1e-13)
    direction = {k: rng.standard_normal(p.shape) for k, p in params.items()}
    up, down = (
      oracle({k: p + s * direction[k] for k, p in params.items()}, held)[0]
      for s in (1e-6, -1e-6)
    )
    slope = sum((grads[k] * direction[k]).sum() for k in params)
    assert abs((up - down) / 2e-6 - slope) < 1e-6 * max(1.0, abs(slope))


@pytest.mark.parametrize("backward", ["fused", "autodiff"])
def test_the_carousel_is_exactly_flat(backward):
  """d c_T / d c_t = 1 at every lag, to the last bit."""
  cell = LSTM1997(6, block_size=2)
  params = cell.init(jax.random.key(0), D)
  x = jax.random.normal(jax.random.key(1), (B, 200, D))
  options = Options(backward=backward)

  @functools.partial(jax.jit, static_argnums=1)
  def sensitivity(state, lag, unit):
    def end(state):
      _, final = unroll(cell, params, x[:, :lag], state, options=options)
      return final.c[:, unit].sum()

    return jax.grad(end)(state)

  for lag in (1, 2, 200):
    for unit in range(6):
      found = sensitivity(cell.initial_state(B), lag, unit)
      expected = np.broadcast_to(np.eye(6)[unit], (B, 6))
      np.testing.assert_array_equal(found.c, expected)
      np.testing.assert_array_equal(found.h, 0.0)
      np.testing.assert_array_equal(found.gates, 0.0)


def test_the_full_gradient_is_not_flat():
  cell = LSTM1997(6, block_size=2, truncated=False, init_scale=1.0)
  params = cell.init(jax.random.key(0), D)
  x = jax.random.normal(jax.random.key(1), (B, T, D))
  state = cell.initial_state(B)
  found = jax.grad(lambda s: unroll(cell, params, x, s)[1].c.sum())(state)
  assert np.abs(found.c - 1).max() > 1e-3


@pytest.mark.parametrize(
  "cell, inputs, output_layer, total",
  [
    # Experiment 1: gate biases only; 7 outputs see the cells.
    (LSTM1997(4, biases="gates"), 7, 4 * 7, 264),
    (LSTM1997(6, block_size=2, biases="gates"), 7, 6 * 7, 276),
    # 2a: 101 outputs see the inputs and the cell; no biases.
    (
      LSTM1997(1, output_gate=False, recurrent=False, biases="none"),
      101,
      101 * (101 + 1),
      10504,
    ),
    # 2c with p = 50, 100, 200, 500, 1000: p + 4 inputs, 2 outputs, no biases.
    *(
      (LSTM1997(2, biases="none"), p + 4, 2 * 2, total)
      for p, total in (
        (50, 364),
        (100, 664),
        (200, 1264),
        (500, 3064),
        (1000, 6064),
      )
    ),
    # 3: all but the output has a bias.
    (LSTM1997(3), 1, 1 * 3, 102),
    # 4 and 5, 6a, 6b: the outputs have one too.
    (LSTM1997(4, block_size=2), 2, 1 * (4 + 1), 93),
    (LSTM1997(4, block_size=2), 8, 4 * (4 + 1), 156),
    (LSTM1997(6, block_size=2), 8, 8 * (6 + 1), 308),
  ],
)
def test_weight_counts_of_1997(cell, inputs, output_layer, total):
  params = cell.init(jax.random.key(0), inputs)
  assert sum(p.size for p in params.values()) + output_layer == total


def test_initial_parameters_of_1997():
  cell = LSTM1997(
    8, block_size=2, input_gate_biases=(-3.0, -6.0), init_scale=0.2
  )
  params = cell.init(jax.random.key(0), 50)
  np.testing.assert_array_equal(params["b"][:4], [-3, -6, -3, -6])
  for drawn in (params["w_x"], params["w_h"], params["b"][4:]):
    assert np.abs(drawn).max() <= 0.2
    assert np.abs(drawn).max() > 0.15 and np.std(drawn) > 0.05
  cell = LSTM1997(4, output_gate_biases=(-1.0, -2.0, -3.0), biases="gates")
  b = cell.init(jax.random.key(0), 3)["b"]
  assert b.shape == (8,)
  np.testing.assert_array_equal(b[4:], [-1, -2, -3, -1])


def test_wrong_options_of_1997_are_named():
  with pytest.raises(ValueError, match="5 must be a multiple of block_size 2"):
    LSTM1997(5, block_size=2)
  with pytest.raises(ValueError, match="biases must be one of none, gates"):
    LSTM1997(4, biases="some")
  with pytest.raises(ValueError, match="output gates without biases"):
    LSTM1997(4, output_gate=False, output_gate_biases=(-1.0,))
  with pytest.raises(ValueError, match="input gates without biases"):
    LSTM1997(4, biases="none", input_gate_biases=(-1.0,))


# All time steps at once


def gradients_of(cell, run):
  """Gradients of a random linear function of outputs and state, and those."""
  rng = np.random.default_rng(3)
  weight = rng.standard_normal((B, T, cell.output_size))
  end_weights = [
    rng.standard_normal(s.shape) for s in jax.tree.leaves(cell.initial_state(B))
  ]

  @jax.jit
  def value_and_gradients(*arguments):
    def loss(*arguments):
      y, end = run(*arguments)
      end = unscaled(end)
      total = (y * weight).sum()
      total += sum((e * w).sum() for e, w in zip(end, end_weights))
      return total, (y, end)

    return jax.grad(loss, (0, 1, 2), has_aux=True)(*arguments)

  return value_and_gradients


@pytest.mark.parametrize("chunk", [0, 1, 2, 4, 9])
@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("cell", [MinLSTM(5), MatrixLSTM(6, heads=2)], ids=str)
def test_parallel_equals_the_loop(x64, cell, chunk, name):
  flags, arguments = FLAGS[name], problem(cell)
  loop = gradients_of(cell, lambda *a: unroll(cell, *a, **flags))
  parallel = gradients_of(
    cell, lambda *a: cell.parallel(*a, **flags, chunk=chunk)
  )
  assert_close(parallel(*arguments), loop(*arguments), 1e-12)


@pytest.mark.parametrize("cell", [MinLSTM(5), MatrixLSTM(6, heads=2)], ids=str)
def test_parallel_from_the_initial_state_with_nothing_to_read(x64, cell):
  """Rows of length zero, and documents that end with masked steps."""
  params, x, _ = problem(cell)
  mask = np.ones((B, T), bool)
  mask[0], mask[1, :3], mask[2, 3:] = False, False, False
  reset = np.zeros((B, T), bool)
  reset[2, 4] = True
  for chunk in (0, 2, 4):
    loop, parallel = (
      gradients_of(cell, run)(params, x, cell.initial_state(B, "float64"))
      for run in (
        lambda *a: unroll(cell, *a, mask=mask, reset=reset),
        lambda *a: cell.parallel(*a, mask, reset, chunk),
      )
    )
    assert_close(parallel, loop, 1e-12)
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(parallel))
    np.testing.assert_array_equal(parallel[1][1].h[jnp.array([0, 2])], 0.0)


def test_min_lstm_gates_stay_convex():
  """f' + i' = 1 even where f and i are 0 in float32."""
  cell = MinLSTM(1)
  params = {"w_x": jnp.eye(3), "b": jnp.zeros(3)}
  x = jnp.array([[[-200.0, -200.0, 1.0]]])
  (h, _), grads = jax.value_and_grad(
    lambda x: (cell.parallel(params, x, cell.initial_state(1))[0].sum(), 0),
    has_aux=True,
  )(x)
  np.testing.assert_allclose(h, 0.5)
  np.testing.assert_allclose(grads[0, 0], [0.25, -0.25, 0.5])


# xLSTM


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


@pytest.mark.parametrize("cell", XLSTM, ids=str)
def test_outputs_do_not_depend_on_the_stabiliser(x64, cell):
  """Another m, with c and n to fit: the same outputs, and no gradient."""
  params, x, state = problem(cell)

  def shifted(shift):
    scale = jax.tree.map(lambda a: jnp.exp(-shift) * a, state)
    moved = state._replace(c=scale.c, n=scale.n, m=state.m + shift)
    return unroll(cell, params, x, moved)[0]

  assert_close(shifted(3.0), shifted(0.0), 1e-13)
  slope = jax.grad(lambda shift: (shifted(shift) ** 2).sum())(0.5)
  assert abs(slope) < 1e-13 * (shifted(0.0) ** 2).sum()


@pytest.mark.parametrize("cell", XLSTM, ids=str)
@pytest.mark.parametrize("chunk", [None, 0, 8])
def test_large_gate_inputs_stay_finite(cell, chunk):
  """Gate inputs of up to 50 either way in float32; exp(50)^2 is infinite."""
  if chunk is not None and not hasattr(cell, "parallel"):
    pytest.skip("step by step only")
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
        y, end = unroll(cell, params, x, start)
      else:
        y, end = cell.parallel(params, x, start, chunk=chunk)
      return (y**2).sum(), (y, end)

    return jax.grad(loss, (0, 1), has_aux=True)(params, x)

  assert all(np.isfinite(a).all() for a in jax.tree.leaves(run(params, x)))


def test_wrong_options_of_xlstm_are_named():
  for make in (SLSTM, MatrixLSTM):
    with pytest.raises(ValueError, match="5 must be a multiple of heads 2"):
      make(5, heads=2)
  with pytest.raises(ValueError, match='forget must be "sigmoid" or "exp"'):
    SLSTM(4, forget="tanh")


# Images


def test_what_is_masked_has_no_influence_on_images(x64):
  params, x, state = problem(CONV)
  garbage = np.where(MASK[:, :, None, None, None], x, np.nan)
  clean, dirty = (
    unroll(CONV, params, a, state, mask=MASK, reset=RESET) for a in (x, garbage)
  )
  assert_close(dirty, clean, 0.0)


def test_wrong_images_are_named():
  params, x, state = jax.tree.map(np.float32, problem(CONV))
  run = inspect.unwrap(unroll)
  with pytest.raises(ValueError, match="time, height, width, features"):
    run(CONV, params, x[:, :, 0, 0], state)
  with pytest.raises(ValueError, match="4 input features, got 3"):
    run(CONV, params, x[..., :3], state)
  cell = MinLSTM(2)
  with pytest.raises(ValueError, match=r"\[batch, time, features\], got"):
    run(cell, cell.init(jax.random.key(0), D), x)
  with pytest.raises(ValueError, match="must be 1 or more, got 0"):
    ConvLSTM(2, (3, 2), kernel_size=0)
