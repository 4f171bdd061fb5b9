"""Trials of tiny networks, computed by eights with the trials last."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import LSTM, unroll
from lstm_jax.cells.gru import GRU
from lstm_jax.cells.layer_norm import LayerNormLSTM
from lstm_jax.cells.lstm_1997 import LSTM1997
from lstm_jax.cells.rnn import RNN
from lstm_jax.recurrence.lanes import map_last
from lstm_jax.recurrence.unroll import Options

T, D = 5, 2
CELLS = {
  "lstm_1997": LSTM1997(4, block_size=2, biases="gates"),
  "not recurrent": LSTM1997(4, recurrent=False, biases="none"),
  "lstm": LSTM(4),
  "gru": GRU(4),
  "layer_norm": LayerNormLSTM(4),
  "rnn": RNN(4, nonlinearity="relu"),
}


def gradients(cell, symbols, options, params, x, mask, reset):
  """Of all inputs, of a sum that depends on every output and state."""
  x = (x[..., 0] > 0).astype(int) if symbols else x

  def loss(params, x):
    y, state = unroll(cell, params, x, mask=mask, reset=reset, options=options)
    parts = jax.tree.leaves((y, state))
    return sum((jnp.cos(jnp.arange(a.size)) * a.ravel()).sum() for a in parts)

  if symbols:
    return jax.grad(loss)(params, x)
  return jax.grad(loss, (0, 1))(params, x)


@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_eight_trials_are_each_what_they_are_alone(name, symbols):
  cell, key = CELLS[name], jax.random.key(0)
  params = jax.vmap(lambda key: cell.init(key, D))(jax.random.split(key, 8))
  x = jax.random.normal(key, (8, 1, T, D))
  mask = jax.random.bernoulli(key, 0.7, (8, 1, T))
  reset = jax.random.bernoulli(key, 0.2, (8, 1, T))
  inputs = (params, x, mask, reset)
  function = functools.partial(gradients, cell, symbols, Options())
  plain = functools.partial(
    gradients, cell, symbols, Options(backward="autodiff")
  )
  together = jax.jit(jax.vmap(function))(*inputs)
  for other in (jax.jit(function), jax.jit(plain)):
    alone = other(*jax.tree.map(lambda a: a[3], inputs))
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone)):
      np.testing.assert_allclose(a[3], b, rtol=2e-5, atol=2e-6)


def test_the_mapped_axis_stays_last():
  def function(a, flags):
    b = jnp.concatenate([a, jnp.ones((1, 2))], 1)
    c = jnp.where(flags.reshape(-1, 1), jnp.repeat(b, 2, -1), 0.5)
    return (c.T * jnp.arange(12).reshape(6, 2)[:, :1]).sum(0), c

  function(jnp.ones((1, 1)), jnp.ones(1, bool))
  a = jax.random.normal(jax.random.key(0), (1, 1, 8))
  flags = jnp.arange(8)[None] % 3 > 0
  wanted = jax.vmap(function, -1, -1)(a, flags)
  for x, y in zip(map_last(function)(a, flags), wanted):
    np.testing.assert_allclose(x, y, rtol=1e-6)
  for equation in jax.make_jaxpr(map_last(function))(a, flags).eqns:
    assert all(8 not in v.aval.shape[:-1] for v in equation.outvars)
