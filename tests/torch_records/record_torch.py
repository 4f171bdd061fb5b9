"""Records what torch.nn.LSTM computes, for tests/recurrence/parity_test.py.

  PATH/TO/PYTHON/WITH/TORCH tests/torch_records/record_torch.py

writes torch_lstm.npz beside this file: float64, for each case the inputs, the
weights, what came out, and the gradients of sum(outputs * random numbers).
"""

import pathlib

import numpy as np
import torch

B, T, D, H = 2, 4, 2, 3
CASES = {"one": (1, False), "two": (2, False), "bidirectional": (1, True)}


def record(layers: int, bidirectional: bool) -> dict[str, np.ndarray]:
  torch.manual_seed(0)
  lstm = torch.nn.LSTM(
    D, H, layers, batch_first=True, bidirectional=bidirectional
  ).double()
  chains = layers * (2 if bidirectional else 1)
  inputs = {
    "x": torch.randn(B, T, D).double(),
    "h0": torch.randn(chains, B, H).double(),
    "c0": torch.randn(chains, B, H).double(),
  }
  for array in inputs.values():
    array.requires_grad_()
  y, (h, c) = lstm(inputs["x"], (inputs["h0"], inputs["c0"]))
  outputs = {"y": y, "h": h, "c": c}
  cotangents = {
    f"d{k}": torch.randn(v.shape).double() for k, v in outputs.items()
  }
  loss = sum((v * cotangents[f"d{k}"]).sum() for k, v in outputs.items())
  loss.backward()
  weights = dict(lstm.named_parameters())
  gradients = {f"grad_{k}": v.grad for k, v in (inputs | weights).items()}
  arrays = inputs | weights | outputs | cotangents | gradients
  return {name: array.detach().numpy() for name, array in arrays.items()}


def pack(arrays: dict[str, np.ndarray]) -> np.ndarray:
  """One structured array, whose fields are the arrays."""
  fields = [(name, "f8", a.shape) for name, a in arrays.items()]
  packed = np.zeros((), fields)
  for name, array in arrays.items():
    packed[name] = array
  return packed


if __name__ == "__main__":
  np.savez_compressed(
    pathlib.Path(__file__).with_name("torch_lstm.npz"),
    **{name: pack(record(*arguments)) for name, arguments in CASES.items()},
  )
