"""PyTorch: what a language model does, in its word language model's way."""

import torch
from torch import nn

from scripts.peers import problem
from scripts.peers.torch_device import DEVICE, waiting

PACKAGES = ("torch", "numpy")


class LanguageModel(nn.Module):
  """Time-major, torch's own layout."""

  def __init__(self, case: dict):
    super().__init__()
    vocabulary, sizes = case["vocabulary"], [case["embedding"], *case["hidden"]]
    self.embedding = nn.Embedding(vocabulary, sizes[0])
    if len(set(sizes)) == 1:  # then one module has all layers
      self.layers = nn.ModuleList([nn.LSTM(*sizes[:2], len(sizes) - 1)])
    else:
      self.layers = nn.ModuleList(map(nn.LSTM, sizes[:-1], sizes[1:]))
    self.softmax = nn.Linear(sizes[-1], vocabulary)
    if case["tied"]:
      self.softmax.weight = self.embedding.weight

  def forward(self, tokens, states):
    x, after = self.embedding(tokens), []
    for layer, state in zip(self.layers, states, strict=True):
      x, state = layer(x, state)
      after.append(state)
    return self.softmax(x).flatten(0, 1), after


def _start(case: dict):
  """The model, and a window's inputs and targets."""
  torch.manual_seed(0)
  window = problem.tokens(case["batch"], case["time"], case["vocabulary"])
  inputs, targets = (
    torch.from_numpy(a.T.copy()).long().to(DEVICE) for a in window
  )
  model = LanguageModel(case).to(DEVICE)
  return model, [None] * len(model.layers), inputs, targets.flatten()


def update(case: dict):
  """Loss, gradient, clipping and SGD."""
  model, states, inputs, targets = _start(case)
  optimizer = torch.optim.SGD(model.parameters(), lr=problem.LM_RATE)

  def run():
    nonlocal states
    optimizer.zero_grad()
    logits, after = model(inputs, states)
    states = [tuple(s.detach() for s in state) for state in after]
    loss = nn.functional.cross_entropy(logits, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), problem.LM_CLIP)
    optimizer.step()
    return [loss.detach()]

  return run


def forward(case: dict):
  """The loss of a window, and the state after it."""
  model, states, inputs, targets = _start(case)
  model.eval()

  @torch.inference_mode()
  def run():
    nonlocal states
    logits, states = model(inputs, states)
    return [nn.functional.cross_entropy(logits, targets, reduction="sum")]

  return run


def top(case: dict):
  """The softmax and its loss alone, with the gradients of all it reads."""
  _, _, _, targets = _start(case)
  features, w, b = map(torch.from_numpy, problem.top(case))
  features = features.transpose(0, 1).flatten(0, 1).contiguous()
  w = w if case["tied"] else w.T.contiguous()  # [v h], torch's own layout
  arguments = [a.to(DEVICE).requires_grad_() for a in (features, w, b)]

  def run():
    for a in arguments:
      a.grad = None
    logits = nn.functional.linear(*arguments)
    loss = nn.functional.cross_entropy(logits, targets, reduction="sum")
    loss.backward()
    return [loss.detach(), *(a.grad for a in arguments)]

  return run


def sample(case: dict):
  """Symbols drawn one after the other, in one stream."""
  model, _, _, _ = _start(case)
  model.eval()

  @torch.inference_mode()
  def run():
    states = [None] * len(model.layers)
    symbol, made = torch.zeros(1, 1, dtype=torch.long, device=DEVICE), []
    for _ in range(case["length"]):
      logits, states = model(symbol, states)
      symbol = torch.multinomial(logits.softmax(-1), 1)
      made.append(symbol)
    return [torch.cat(made)]

  return run


PARTS = {"update": update, "forward": forward, "softmax": top, "sample": sample}


def make(case: dict):
  return waiting(PARTS[case["part"]](case))
