"""PyTorch: torch.nn.LSTM, and the update of its word language model."""

import torch
from torch import nn

from scripts.peers import problem

PACKAGES = ("torch", "numpy")


def make(case: dict):
  _, _, inputs, hidden, layers = case["shape"]
  torch.manual_seed(0)
  lstm = nn.LSTM(inputs, hidden, layers)  # time-major, torch's own layout
  x, dy = map(torch.from_numpy, problem.arrays(case["shape"], time_major=True))

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
    return forward
  x.requires_grad_()
  return train


class LanguageModel(nn.Module):
  def __init__(self, hidden: int, layers: int, vocabulary: int):
    super().__init__()
    self.embedding = nn.Embedding(vocabulary, hidden)
    self.lstm = nn.LSTM(hidden, hidden, layers)
    self.softmax = nn.Linear(hidden, vocabulary)

  def forward(self, tokens, state):
    y, state = self.lstm(self.embedding(tokens), state)
    return self.softmax(y).flatten(0, 1), state


def lm_step(batch: int, time: int, hidden: int, layers: int, vocabulary: int):
  torch.manual_seed(0)
  model = LanguageModel(hidden, layers, vocabulary)
  optimizer = torch.optim.SGD(model.parameters(), lr=problem.LM_RATE)
  inputs, targets = (
    torch.from_numpy(a.T.copy()).long()  # time-major
    for a in problem.tokens(batch, time, vocabulary)
  )
  zeros = torch.zeros(layers, batch, hidden)
  state = (zeros, zeros.clone())

  def run():
    nonlocal state
    optimizer.zero_grad()
    logits, state = model(inputs, state)
    state = tuple(s.detach() for s in state)
    loss = nn.functional.cross_entropy(logits, targets.flatten())
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), problem.LM_CLIP)
    optimizer.step()
    return [loss.detach()]

  return run
