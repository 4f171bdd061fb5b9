"""Every cell in NumPy float64, from the equations in the papers.

Each function takes parameters, one input [b d] and the state as a tuple, and
returns the next state; the hidden state comes first.
"""

import numpy as np


def sigmoid(z):
  return 1.0 / (1.0 + np.exp(-z))


def lstm_gates(p, x, h):
  return np.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 4, axis=1)


def lstm(p, x, state, cell):
  h, c = state
  i, f, g, o = lstm_gates(p, x, h)
  c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
  return sigmoid(o) * np.tanh(c), c


def peephole(p, x, state, cell):
  h, c = state
  i, f, g, o = lstm_gates(p, x, h)
  i, f = sigmoid(i + p["p_i"] * c), sigmoid(f + p["p_f"] * c)
  c = f * c + i * np.tanh(g)
  return sigmoid(o + p["p_o"] * c) * np.tanh(c), c


def greff(p, x, state, cell):
  h, c, gates = state
  variant = cell.variant
  z = x @ p["w_x"] + h @ p["w_h"] + p["b"]
  n = c.shape[1]
  names = {"NIG": "fgo", "NFG": "igo", "NOG": "ifg", "CIFG": "igo"}
  names = names.get(variant, "ifgo")
  z = {name: z[:, k * n : (k + 1) * n] for k, name in enumerate(names)}
  if variant == "FGR":
    back = gates @ p["w_gates"]
    for k, name in enumerate("ifo"):
      z[name] = z[name] + back[:, k * n : (k + 1) * n]
  peep = {k: 0.0 if variant == "NP" else p.get(f"p_{k}") for k in "ifo"}
  i = 1.0 if variant == "NIG" else sigmoid(z["i"] + peep["i"] * c)
  if variant == "NFG":
    f = 1.0
  elif variant == "CIFG":
    f = 1.0 - i
  else:
    f = sigmoid(z["f"] + peep["f"] * c)
  c = f * c + i * (z["g"] if variant == "NIAF" else np.tanh(z["g"]))
  o = 1.0 if variant == "NOG" else sigmoid(z["o"] + peep["o"] * c)
  h = o * (c if variant == "NOAF" else np.tanh(c))
  if variant == "FGR":
    gates = np.concatenate([i, f, o], 1)
  return h, c, gates


def projection(p, x, state, cell):
  h, c = lstm(p, x, state, cell)
  return h @ p["w_r"], c


def layer_norm(p, x, state, cell):
  def normal(z):
    return (z - z.mean(1, keepdims=True)) / np.sqrt(
      z.var(1, keepdims=True) + 1e-5
    )

  h, c = state
  z = p["a_x"] * normal(x @ p["w_x"]) + p["a_h"] * normal(h @ p["w_h"])
  i, f, g, o = np.split(z + p["b"], 4, axis=1)
  c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
  return sigmoid(o) * np.tanh(p["a_c"] * normal(c) + p["b_c"]), c


def multiplicative(p, x, state, cell):
  h, _ = state
  n = h.shape[1]
  m = (x @ p["w_x"][:, 4 * n :]) * (h @ p["w_h"])
  inner = {"w_x": p["w_x"][:, : 4 * n], "w_h": p["w_m"], "b": p["b"]}
  return lstm(inner, x, (m, state[1]), cell)


def mogrifier(p, x, state, cell):
  h, c = state
  for r in range(1, cell.rounds + 1):
    q = p[f"q{r}_a"] @ p[f"q{r}_b"] if cell.rank else p[f"q{r}"]
    b = p[f"b{r}"] if cell.round_biases else 0.0
    if r % 2 == 1:
      x = 2 * sigmoid(h @ q + b) * x
    else:
      h = 2 * sigmoid(x @ q + b) * h
  inner = {"w_x": p["u_x"], "w_h": p["u_h"], "b": p["u_b"]}
  return lstm(inner, x, (h, c), cell)


def gru(p, x, state, cell):
  (h,) = state
  xr, xu, xn = np.split(x @ p["w_x"] + p["b"], 3, axis=1)
  hr, hu, hn = np.split(h @ p["w_h"], 3, axis=1)
  n = np.tanh(xn + sigmoid(xr + hr) * (hn + p["b_hn"]))
  u = sigmoid(xu + hu)
  return ((1 - u) * n + u * h,)


def rnn(p, x, state, cell):
  (h,) = state
  z = x @ p["w_x"] + h @ p["w_h"] + p["b"]
  return (np.tanh(z) if cell.nonlinearity == "tanh" else np.maximum(z, 0.0),)


def lstm_1997(p, x, state, cell, r=None):
  """r: what the gates see of the step before, where it is held constant."""
  h, c, gates = state
  blocks = cell.hidden_size // cell.block_size
  kinds = 2 if cell.output_gate else 1
  z = x @ p["w_x"]
  if cell.recurrent:
    r = np.concatenate([h, gates], 1) if r is None else r
    z = z + r @ p["w_h"]
  if "b" in p:
    z[:, : len(p["b"])] += p["b"]
  new = sigmoid(z[:, : kinds * blocks])
  h, c = h.copy(), c.copy()
  for cell_number in range(cell.hidden_size):
    j = cell_number // cell.block_size
    wide_g, wide_h = (1, 2) if cell.wide_output else (2, 1)
    g = sigmoid(z[:, kinds * blocks + cell_number])
    if not cell.logistic_input:
      g = wide_g * (2 * g - 1)
    c[:, cell_number] += new[:, j] * g
    squashed = c[:, cell_number]
    if not cell.logistic_input:
      squashed = wide_h * (2 * sigmoid(squashed) - 1)
    o = new[:, blocks + j] if cell.output_gate else 1.0
    h[:, cell_number] = o * squashed
  return h, c, new


def min_lstm(p, x, state, cell):
  (h,) = state
  i, f, g = np.split(x @ p["w_x"] + p["b"], 3, axis=1)
  i, f = sigmoid(i), sigmoid(f)
  if cell.positive_input:
    g = np.where(g >= 0, g + 0.5, sigmoid(g))
  return (f / (f + i) * h + i / (f + i) * g,)


def slstm(p, x, state, cell):
  """One head after the other; m is subtracted as in the paper."""
  h, c, n, m = (a.copy() for a in state)
  width = cell.hidden_size // cell.heads
  for k in range(cell.heads):
    units = slice(k * width, (k + 1) * width)
    gates = slice(4 * k * width, 4 * (k + 1) * width)
    z = x @ p["w_x"][:, gates] + p["b"][gates]
    z = z + state[0][:, units] @ p["w_h"][k]
    i, f, g, o = np.split(z, 4, axis=1)
    log_f = np.log(sigmoid(f)) if cell.forget == "sigmoid" else f
    before = m[:, units].copy()
    m[:, units] = np.maximum(log_f + before, i)
    i = np.exp(i - m[:, units])
    f = np.exp(log_f + before - m[:, units])
    c[:, units] = f * c[:, units] + i * np.tanh(g)
    n[:, units] = f * n[:, units] + i
    h[:, units] = sigmoid(o) * c[:, units] / n[:, units]
  return h, c, n, m


def matrix_lstm(p, x, state, cell):
  """One row and one head after the other."""
  h, c, n, m = (a.copy() for a in state)
  size, heads = cell.hidden_size, cell.heads
  d = size // heads
  z = x @ p["w_x"] + p["b"]
  for row in range(len(x)):
    for k in range(heads):
      q, key, v, o = (
        z[row, part * size + k * d : part * size + (k + 1) * d]
        for part in range(4)
      )
      read, c[row, k], n[row, k], m[row, k] = read_memory(
        q,
        key / np.sqrt(d),
        v,
        z[row, 4 * size + k],
        np.log(sigmoid(z[row, 4 * size + heads + k])),
        (c[row, k], n[row, k], m[row, k]),
      )
      h[row, k * d : (k + 1) * d] = sigmoid(o) * read
  return h, c, n, m


def matrix_lstm_block(p, x, state, cell):
  """One row after the other, and inside it one head after the other."""
  h, window, c, n, m = (a.copy() for a in state)

  def normal(z):
    return (z - z.mean()) / np.sqrt(z.var() + 1e-5)

  def silu(z):
    return z * sigmoid(z)

  def mix(z, w):
    return np.concatenate([z[4 * j : 4 * j + 4] @ w[j] for j in range(len(w))])

  for row in range(len(x)):
    u, s = np.split((p["a_x"] * normal(x[row])) @ p["w_x"], 2)
    seen = np.concatenate([window[row], u[None]])  # 4 steps
    window[row] = seen[1:]
    a = silu((seen * p["kernel"]).sum(0) + p["b_conv"])
    q, key, v = mix(a, p["w_q"]), mix(a, p["w_k"]), mix(u, p["w_v"])
    gates = np.concatenate([q, key, v]) @ p["w_gate"] + p["b_gate"]
    d = len(u) // cell.heads
    inner = p["skip"] * a
    for k in range(cell.heads):
      units = slice(k * d, (k + 1) * d)
      read, c[row, k], n[row, k], m[row, k] = read_memory(
        q[units],
        key[units] / np.sqrt(d),
        v[units],
        gates[k],
        np.log(sigmoid(gates[cell.heads + k])),
        (c[row, k], n[row, k], m[row, k]),
      )
      inner[units] += p["a_h"][units] * normal(read)
    h[row] = (inner * silu(s)) @ p["w_down"]
  return h, window, c, n, m


def read_memory(q, key, v, i, log_f, memory):
  """A step of one mLSTM memory: what q reads of it, and C, n and m."""
  c, n, before = memory
  m = max(log_f + before, i)
  i, f = np.exp(i - m), np.exp(log_f + before - m)
  c = f * c + i * np.outer(v, key)
  n = f * n + i * key
  return (c @ q) / max(abs(n @ q), np.exp(-m)), c, n, m


def convolve(images, kernel):
  """SAME: what lies outside the image is zero; pixel by pixel."""
  k = kernel.shape[0]
  before = (k - 1) // 2
  _, rows, columns, _ = images.shape
  out = np.zeros((*images.shape[:3], kernel.shape[3]))
  for y in range(rows):
    for x in range(columns):
      for dy in range(k):
        for dx in range(k):
          v, u = y + dy - before, x + dx - before
          if 0 <= v < rows and 0 <= u < columns:
            out[:, y, x] += images[:, v, u] @ kernel[dy, dx]
  return out


def conv_lstm(p, x, state, cell):
  h, c = state
  z = convolve(x, p["w_x"]) + convolve(h, p["u_h"]) + p["b"]
  i, f, g, o = np.split(z, 4, axis=-1)
  p_i, p_f, p_o = (p.get(f"p_{gate}", 0.0) for gate in "ifo")
  i, f = sigmoid(i + p_i * c), sigmoid(f + p_f * c)
  c = f * c + i * np.tanh(g)
  return sigmoid(o + p_o * c) * np.tanh(c), c


def run(step, cell, params, x, state):
  """x [b t d] -> hidden states [b t h] and the final state."""
  outputs = []
  for t in range(x.shape[1]):
    state = step(params, x[:, t], state, cell)
    outputs.append(state[0])
  return np.stack(outputs, 1), state
