"""Flax linen: OptimizedLSTMCell in nn.RNN."""

import jax
import jax.numpy as jnp
from flax import linen as nn

PACKAGES = ("jax", "jaxlib", "flax")
TIME_MAJOR = True


def layer(shape, variant: str = ""):
  _, _, inputs, hidden, layers = shape
  model = nn.Sequential(
    [
      nn.RNN(nn.OptimizedLSTMCell(hidden), time_major=True)
      for _ in range(layers)
    ]
  )
  init = jax.jit(lambda key: model.init(key, jnp.zeros((1, 1, inputs))))
  return init, model.apply
