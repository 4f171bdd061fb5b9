"""lstm_jax: `unroll`."""

import os

import jax

from lstm_jax import LSTM, Options, unroll
from lstm_jax.parallel import runtime
from lstm_jax.parallel.rows import choose_devices

PACKAGES = ("jax", "jaxlib", "flax", "optax")
TIME_MAJOR = False


def default_setting(shape) -> str:
  """What experiments.train sets up: the tuned allocator, and the batch split
  where that is faster."""
  batch, _, _, hidden, _ = shape
  cores = min(len(os.sched_getaffinity(0)), 2)
  return "split" if choose_devices(batch, (hidden,), cores) == 2 else "tuned"


def options(variant: str) -> Options:
  """variant: "sqrt" for less memory, "cudnn" for NVIDIA's own."""
  return {
    "": Options(),
    "sqrt": Options(memory="sqrt"),
    "cudnn": Options(engine="cudnn"),
  }[variant]


def layer(shape, variant: str = ""):
  # As experiments.train does. Not at import: the benchmark imports this file,
  # and the peers inherit its environment.
  runtime.repeat_on_gpu()
  _, _, inputs, hidden, layers = shape
  cell = LSTM(hidden)

  def init(key):
    sizes = [inputs] + [hidden] * (layers - 1)
    keys = jax.random.split(key, layers)
    return [cell.init(k, size) for k, size in zip(keys, sizes, strict=True)]

  def apply(params, x):
    for p in params:
      x, _ = unroll(cell, p, x, options=options(variant))
    return x

  return init, apply
