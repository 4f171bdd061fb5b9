"""Haiku: hk.LSTM in hk.dynamic_unroll, one after the other."""

import haiku as hk
import jax
import jax.numpy as jnp

PACKAGES = ("jax", "jaxlib", "dm-haiku")
TIME_MAJOR = True


def layer(shape, variant: str = ""):
  _, _, inputs, hidden, layers = shape

  def stack(x):
    for _ in range(layers):
      core = hk.LSTM(hidden)
      x, _ = hk.dynamic_unroll(core, x, core.initial_state(x.shape[1]))
    return x

  model = hk.without_apply_rng(hk.transform(stack))
  init = jax.jit(lambda key: model.init(key, jnp.zeros((1, 1, inputs))))
  return init, model.apply
