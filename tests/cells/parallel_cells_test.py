"""`parallel`, all time steps at once, against the loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cell_problems import BLOCK, FLAGS, B, T, problem, unscaled
from helpers import assert_close, slow_but

from lstm_jax import Options, unroll
from lstm_jax.cells.matrix_lstm import MatrixLSTM
from lstm_jax.cells.min_lstm import MinLSTM

LOOP = Options(engine="scan")
each_parallel_cell = pytest.mark.parametrize(
  "cell", [MinLSTM(5), MatrixLSTM(6, heads=2), BLOCK], ids=str
)


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


@pytest.mark.parametrize("name", slow_but(FLAGS, ["both"]))
@each_parallel_cell
def test_parallel_equals_the_loop(x64, cell, name):
  flags, arguments = FLAGS[name], problem(cell)
  loop = gradients_of(cell, lambda *a: unroll(cell, *a, **flags, options=LOOP))(
    *arguments
  )
  for chunk in (0, 1, 4):  # all at once, one by one, and with a rest of 2
    parallel = gradients_of(
      cell, lambda *a: cell.parallel(*a, **flags, chunk=chunk)
    )
    assert_close(parallel(*arguments), loop, 1e-12)


@each_parallel_cell
def test_parallel_from_the_initial_state_with_nothing_to_read(x64, cell):
  """Rows of length zero, and documents that end with masked steps."""
  params, x, _ = problem(cell)
  mask = np.ones((B, T), bool)
  mask[0], mask[1, :3], mask[2, 3:] = False, False, False
  reset = np.zeros((B, T), bool)
  reset[2, 4] = True
  arguments = (params, x, cell.initial_state(B, "float64"))
  loop = gradients_of(
    cell, lambda *a: unroll(cell, *a, mask=mask, reset=reset, options=LOOP)
  )(*arguments)
  for chunk in (0, 2):
    parallel = gradients_of(
      cell, lambda *a: cell.parallel(*a, mask, reset, chunk)
    )(*arguments)
    assert_close(parallel, loop, 1e-12)
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(parallel))
    np.testing.assert_array_equal(parallel[1][1].h[jnp.array([0, 2])], 0.0)


def test_a_parallel_engine_saves_no_memory():
  cell = MinLSTM(4)
  params, x = cell.init(jax.random.key(0), 3), jnp.ones((2, 5, 3))
  with pytest.raises(ValueError, match='it has no memory="sqrt"'):
    unroll(cell, params, x, options=Options(engine="parallel", memory="sqrt"))


def test_min_lstm_in_log_space(x64):
  """The paper's listing, from an empty state: a cumulative log-sum-exp."""
  cell = MinLSTM(5, positive_input=True)
  params, x, _ = problem(cell)
  i, f, z = np.split(4 * (x @ params["w_x"] + params["b"]), 3, axis=-1)
  params = {name: 4 * p for name, p in params.items()}
  difference = np.logaddexp(0, -f) - np.logaddexp(0, -i)
  log_f, log_i = -np.logaddexp(0, difference), -np.logaddexp(0, -difference)
  log_g = np.where(z >= 0, np.log(np.maximum(z, 0) + 0.5), -np.logaddexp(0, -z))
  total = np.cumsum(log_f, axis=1)
  sums = np.logaddexp.accumulate(log_i + log_g - total, axis=1)
  for options in (Options(), LOOP):
    y, _ = unroll(cell, params, x, options=options)
    assert_close(y, np.exp(total + sums), 1e-13)
    assert (y > 0).all()


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
