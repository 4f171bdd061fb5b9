"""The LSTM with forget gate in NumPy float64, one element at a time in time.

Written from the equations in `lstm_jax/cells/lstm.py`, with the backward pass
derived by hand: the oracle that the scan is compared with.
"""

import numpy as np


def sigmoid(z):
  return 1.0 / (1.0 + np.exp(-z))


def forward(params, x, h, c):
  """x [b t d], h and c [b h] -> outputs [b t h], h, c, and what happened."""
  outputs, tape = [], []
  for t in range(x.shape[1]):
    z = x[:, t] @ params["w_x"] + h @ params["w_h"] + params["b"]
    zi, zf, zg, zo = np.split(z, 4, axis=1)
    i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
    c_new = f * c + i * g
    h_new = o * np.tanh(c_new)
    tape.append((x[:, t], h, c, i, f, g, o, c_new))
    h, c = h_new, c_new
    outputs.append(h)
  return np.stack(outputs, 1), h, c, tape


def backward(params, tape, dy, dh, dc):
  """Gradients of sum(dy * y) + sum(dh * h_T) + sum(dc * c_T)."""
  grads = {name: np.zeros_like(value) for name, value in params.items()}
  dx = []
  for t in reversed(range(len(tape))):
    x, h_old, c_old, i, f, g, o, c = tape[t]
    dh = dh + dy[:, t]
    tanh_c = np.tanh(c)
    do = dh * tanh_c
    dc = dc + dh * o * (1 - tanh_c**2)
    dz = np.concatenate(
      [
        dc * g * i * (1 - i),
        dc * c_old * f * (1 - f),
        dc * i * (1 - g**2),
        do * o * (1 - o),
      ],
      axis=1,
    )
    grads["w_x"] += x.T @ dz
    grads["w_h"] += h_old.T @ dz
    grads["b"] += dz.sum(0)
    dx.append(dz @ params["w_x"].T)
    dh = dz @ params["w_h"].T
    dc = dc * f
  return grads, np.stack(dx[::-1], 1), dh, dc
