"""Where torch computes: the platform that the worker's JAX would take."""

import os

import torch

DEVICE = os.environ.get("JAX_PLATFORMS", "cpu")  # "cpu" or "cuda"
if DEVICE == "cuda":
  # TF32 in matrix products, as JAX does by default and cuDNN in both.
  torch.set_float32_matmul_precision("high")


def waiting(run):
  """run, then what it left on a GPU to be computed."""

  def wait():
    results = run()
    if DEVICE == "cuda":
      torch.cuda.synchronize()
    return results

  return wait
