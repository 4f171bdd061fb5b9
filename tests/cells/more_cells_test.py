"""What every cell promises: windows, masks, resets, images."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cell_problems import BLOCK, FLAGS, MASK, RESET, XLSTM, B, D, problem
from helpers import assert_close, slow_but

from lstm_jax import Options, unroll
from lstm_jax.cells.conv_lstm import ConvLSTM
from lstm_jax.cells.lstm_1997 import LSTM1997
from lstm_jax.cells.min_lstm import MinLSTM

CONV = ConvLSTM(2, image_size=(3, 2), peepholes=True)
NEW = [LSTM1997(6, block_size=2), MinLSTM(6), *XLSTM, BLOCK, CONV]
each_new_cell = pytest.mark.parametrize("cell", NEW, ids=str)


@each_new_cell
def test_two_windows_equal_one_sequence(x64, cell):
  params, x, state = problem(cell)
  run = jax.jit(functools.partial(unroll, cell))
  whole, final = run(params, x, state)
  first, between = run(params, x[:, :2], state)
  second, last = run(params, x[:, 2:], between)
  assert_close(jnp.concatenate([first, second], 1), whole, 1e-14)
  assert_close(last, final, 1e-14)


@pytest.mark.parametrize("cell", slow_but(NEW, [NEW[0], XLSTM[1]]), ids=str)
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
@pytest.mark.parametrize("name", slow_but(FLAGS, ["both"]))
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
  with pytest.raises(ValueError, match="kernel_size must be at least 1"):
    ConvLSTM(2, image_size=(3, 2), kernel_size=0)
