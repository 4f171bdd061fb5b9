"""Flax nnx: OptimizedLSTMCell in nnx.RNN, split once, plain jax.jit."""

from flax import nnx

PACKAGES = ("jax", "jaxlib", "flax")
TIME_MAJOR = True


def layer(shape, variant: str = ""):
  _, _, inputs, hidden, layers = shape
  rngs = nnx.Rngs(0)
  sizes = [inputs] + [hidden] * (layers - 1)
  model = nnx.Sequential(
    *(
      nnx.RNN(
        nnx.OptimizedLSTMCell(
          size,
          hidden,
          recurrent_kernel_init=nnx.initializers.zeros,  # orthogonal is slow
          rngs=rngs,
        ),
        time_major=True,
        rngs=rngs,
      )
      for size in sizes
    )
  )
  structure, params, rest = nnx.split(model, nnx.Param, ...)
  return (
    lambda key: params,
    lambda params, x: nnx.merge(structure, params, rest, copy=True)(x),
  )
