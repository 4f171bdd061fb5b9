"""What every contender computes: the same arrays, counted the same way.

NumPy alone, so that each peer's interpreter can import it. A shape is
(batch, time, input, hidden, layers).
"""

import numpy as np

# of language models: SGD's learning rate, and the largest global norm
LM_RATE, LM_CLIP = 1.0, 0.25


def arrays(shape, time_major: bool):
  """Inputs and the gradient of the loss by the outputs, both float32.

  The loss is sum(outputs * gradient), so that no part of it can be left out.
  """
  batch, time, inputs, hidden, _ = shape
  rng = np.random.default_rng(0)
  x = rng.standard_normal((time, batch, inputs), np.float32)
  dy = rng.standard_normal((time, batch, hidden), np.float32)
  if not time_major:
    x, dy = (np.ascontiguousarray(a.swapaxes(0, 1)) for a in (x, dy))
  return x, dy


def tokens(batch: int, time: int, vocabulary: int):
  """Random inputs and targets of a language model, [batch time]."""
  rng = np.random.default_rng(0)
  text = rng.integers(0, vocabulary, (batch, time + 1), np.int32)
  return text[:, :-1], text[:, 1:]


def top(case: dict):
  """Features [b t h] below a language model's softmax, its weights ([h v]; tied
  [v h], as the embedding has them) and biases [v]."""
  hidden, vocabulary = case["hidden"][-1], case["vocabulary"]
  rng = np.random.default_rng(1)
  shape = (case["batch"], case["time"], hidden)
  features = rng.uniform(-1, 1, shape).astype(np.float32)
  w = rng.uniform(-0.1, 0.1, (hidden, vocabulary)).astype(np.float32)
  b = np.zeros(vocabulary, np.float32)
  return features, np.ascontiguousarray(w.T) if case["tied"] else w, b


def result_sizes(shape, mode: str) -> set[int]:
  """How many numbers come out: outputs; in training also the gradients of the
  inputs and of all parameters, where some libraries have two biases a layer."""
  batch, time, inputs, hidden, layers = shape
  y, x = batch * time * hidden, batch * time * inputs
  if mode == "forward":
    return {y}
  weights = 4 * hidden * (inputs + hidden + 2 * hidden * (layers - 1))
  bias = 4 * hidden * layers
  return {y + x + weights + bias, y + x + weights + 2 * bias}


def flops(shape, mode: str) -> int:
  """Of the matrix products; the backward pass has two for each forward."""
  batch, time, inputs, hidden, layers = shape
  per_step = 8 * hidden * (inputs + hidden + 2 * hidden * (layers - 1))
  return batch * time * per_step * (1 if mode == "forward" else 3)
