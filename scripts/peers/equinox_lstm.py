"""Equinox: eqx.nn.LSTMCell in lax.scan, vmapped over the batch."""

import equinox as eqx
import jax
import jax.numpy as jnp

PACKAGES = ("jax", "jaxlib", "equinox")
TIME_MAJOR = True


def layer(shape, variant: str = ""):
  _, _, inputs, hidden, layers = shape
  sizes = [inputs] + [hidden] * (layers - 1)

  def make(key):
    keys = jax.random.split(key, layers)
    return [
      eqx.nn.LSTMCell(size, hidden, key=k)
      for size, k in zip(sizes, keys, strict=True)
    ]

  # The parameters are arrays; the rest of the cells is the same for any key.
  _, static = eqx.partition(
    eqx.filter_eval_shape(make, jax.random.key(0)),
    lambda leaf: hasattr(leaf, "shape"),
  )

  def run_cell(cell, x):  # one sequence [t d]
    def step(state, x):
      state = cell(x, state)
      return state, state[0]

    zeros = jnp.zeros(hidden)
    return jax.lax.scan(step, (zeros, zeros), x)[1]

  def apply(params, x):
    for cell in eqx.combine(params, static):
      x = jax.vmap(run_cell, in_axes=(None, 1), out_axes=1)(cell, x)
    return x

  return lambda key: eqx.filter(make(key), eqx.is_array), apply
