"""PyTorch: torch.nn.LSTM."""

import torch
from torch import nn

from scripts.peers import problem
from scripts.peers.torch_device import DEVICE, waiting

PACKAGES = ("torch", "numpy")


def make(case: dict):
  _, _, inputs, hidden, layers = case["shape"]
  torch.manual_seed(0)
  lstm = nn.LSTM(inputs, hidden, layers)  # time-major, torch's own layout
  lstm.to(DEVICE)
  arrays = problem.arrays(case["shape"], time_major=True)
  x, dy = (torch.from_numpy(a).to(DEVICE) for a in arrays)

  def forward():
    with torch.inference_mode():
      return [lstm(x)[0]]

  def train():
    lstm.zero_grad()
    x.grad = None
    y, _ = lstm(x)
    y.backward(dy)
    return [y.detach(), x.grad, *(p.grad for p in lstm.parameters())]

  if case["mode"] == "forward":
    lstm.eval()
    return waiting(forward)
  x.requires_grad_()
  return waiting(train)
