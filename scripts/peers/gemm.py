"""Large square float32 matrix products: what the machine can reach."""

import jax
import numpy as np

PACKAGES = ("jax", "jaxlib", "numpy")


def make(case: dict):
  n = case["size"]
  rng = np.random.default_rng(0)
  a, b = (rng.standard_normal((n, n), np.float32) for _ in range(2))
  if case["by"] == "numpy":
    return lambda: [a @ b]
  a, b = jax.device_put((a, b))
  product = jax.jit(lambda a, b: a @ b)
  return lambda: [jax.block_until_ready(product(a, b))]
