"""mLSTM of xLSTM: a matrix for a cell state, written and read as a memory.

Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", NeurIPS. For each
head, with q, k, v and z_o of width d and two numbers z_i and z_f, all linear in
x_t:

    C_t = f_t C_{t-1} + i_t v_t k_t^T                   memory [d d]
    n_t = f_t n_{t-1} + i_t k_t                         normaliser [d]
    h_t = sigmoid(z_o) * C_t q_t / max(|n_t . q_t|, 1)

where i_t = exp(z_i), f_t = sigmoid(z_f), and k_t is divided by sqrt(d). C and n
are stored divided by exp(m_t), m_t = max(log f_t + m_{t-1}, z_i), which makes
the 1 an exp(-m_t).

The authors' code (github.com/NX-AI/xlstm) adds 1e-6 to the denominator of h_t;
here, as in the paper, nothing is added.

Nothing here sees h, so that many steps can be computed at once (`parallel`):
with F_t = log f_1 + ... + log f_t, step j counts in step t with the weight
exp(F_t - F_j + z_ij), and the state before with exp(F_t).

The columns of the weights are q, k, v, o [h each], i, f [heads each].
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Bool, Float, Int, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.argument_checks import check_integer
from lstm_jax.cells.base import BasicCell, option
from lstm_jax.cells.short_repr import short
from lstm_jax.cells.slstm import NOTHING_YET, check_heads
from lstm_jax.cells.time_chunks import scan_chunks


class MatrixLSTMState(NamedTuple):
  h: Float[Array, "*b h"]
  c: Float[Array, "*b n d d"]  # C, a matrix a head, divided by exp(m)
  n: Float[Array, "*b n d"]  # divided by exp(m)
  m: Float[Array, "*b n"]
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class MatrixLSTM(BasicCell):
  """No gradient flows through m: no output depends on it in exact arithmetic.

  Raises:
    ValueError: hidden_size is no multiple of heads.
  """

  hidden_size: int
  _: dataclasses.KW_ONLY
  # memories side by side, each of its own hidden units
  heads: int = option(1, 1, 10**6)
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)

  def __post_init__(self):
    super().__post_init__()
    check_heads(self.hidden_size, self.heads)

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    check_integer("input_size", input_size)
    width = 4 * self.hidden_size + 2 * self.heads
    return {
      "w_x": initializers.lecun_uniform(key, (input_size, width)),
      "b": jnp.zeros(width).at[-self.heads :].set(self.forget_bias),
    }

  def initial_state(
    self, batch: int, dtype: Any = jnp.float32
  ) -> MatrixLSTMState:
    heads, d = self.heads, self.hidden_size // self.heads
    return MatrixLSTMState(
      h=jnp.zeros((batch, self.hidden_size), dtype),
      c=jnp.zeros((batch, heads, d, d), dtype),
      n=jnp.zeros((batch, heads, d), dtype),
      m=jnp.full((batch, heads), NOTHING_YET, dtype),
    )

  def _split(self, z):
    """q, k, v, o [... n d] and z_i, log f [... n]."""
    h = self.hidden_size
    *qkvo, z_i, z_f = jnp.split(
      z, [h, 2 * h, 3 * h, 4 * h, 4 * h + self.heads], axis=-1
    )
    q, k, v, o = (a.reshape(*a.shape[:-1], self.heads, -1) for a in qkvo)
    return q, k / k.shape[-1] ** 0.5, v, o, z_i, jax.nn.log_sigmoid(z_f)

  def step(
    self,
    params: Params,
    z: Float[Array, "b g"],
    state: MatrixLSTMState,
    noise: Float[Array, "b h"] | None = None,
  ) -> MatrixLSTMState:
    """noise: a factor on v."""
    q, k, v, o, z_i, log_f = self._split(z)
    if noise is not None:
      v = v * noise.reshape(v.shape)
    read, c, n, m = memory_step(q, k, v, z_i, log_f, *state[1:])
    h = sigmoid(o) * read
    return MatrixLSTMState(h.reshape(state.h.shape), c, n, m)

  def parallel(
    self,
    params: Params,
    x: Float[Array, "b t d"] | Int[Array, "b t"],
    state: MatrixLSTMState,
    mask: Bool[Array, "b t"] | None = None,
    reset: Bool[Array, "b t"] | None = None,
    chunk: int = 0,
  ) -> tuple[Float[Array, "b t h"], MatrixLSTMState]:
    """What `unroll` computes step by step, as products of [t t] matrices.

    chunk: take this many steps at a time, as [chunk chunk] matrices, and hand
      the memory from one to the next; 0 is all at once. mask and reset are
      those of `unroll`; inputs must be finite where mask is False too.
    """
    b, t = x.shape[:2]
    mask = jnp.ones((b, t), bool) if mask is None else mask
    reset = jnp.zeros((b, t), bool) if reset is None else reset
    q, k, v, o, z_i, log_f = self._split(self.project(params, x))
    steps = (q, k, v, z_i, log_f, mask, reset)
    read, (c, n, m) = memory_parallel(state[1:], steps, chunk)
    y = (sigmoid(o) * read).reshape(b, t, self.hidden_size)
    h = last_output(y, state.h, mask, reset)
    return y, MatrixLSTMState(h, c, n, m)


def memory_step(
  q: Float[Array, "*b n d"],
  k: Float[Array, "*b n d"],
  v: Float[Array, "*b n d"],
  z_i: Float[Array, "*b n"],
  log_f: Float[Array, "*b n"],
  c: Float[Array, "*b n d d"],
  n: Float[Array, "*b n d"],
  m: Float[Array, "*b n"],
) -> tuple[Array, Array, Array, Array]:
  """What q reads after a step, C q / max(|n . q|, 1), and the new c, n, m."""
  m_before, m = m, lax.stop_gradient(jnp.maximum(log_f + m, z_i))
  i, f = jnp.exp(z_i - m), jnp.exp(log_f + m_before - m)
  ik = i[..., None] * k
  c = f[..., None, None] * c + v[..., :, None] * ik[..., None, :]
  n = f[..., None] * n + ik
  read = jnp.einsum("...nvk,...nk->...nv", c, q)
  size = jnp.maximum(jnp.abs((n * q).sum(-1)), jnp.exp(-m))
  return read / size[..., None], c, n, m


def memory_parallel(
  memory: tuple[Array, Array, Array], steps: tuple[Array, ...], chunk: int
) -> tuple[Float[Array, "b t n d"], tuple[Array, Array, Array]]:
  """What is read after every step, 0 where it is masked, and the last memory.

  memory: c, n and m before. steps: q, k, v [b t n d], z_i, log f [b t n], mask
  and reset [b t].
  """
  memory, read, _ = scan_chunks(_run_chunk, tuple(memory), steps, chunk)
  return read, memory


def last_output(
  y: Float[Array, "b t h"],
  before: Float[Array, "b h"],
  mask: Bool[Array, "b t"],
  reset: Bool[Array, "b t"],
) -> Float[Array, "b h"]:
  """The hidden state at the end: the output of the last step that was not
  masked, zero after a reset, or what it was before."""
  b, t = mask.shape
  h = jnp.where(reset.any(1)[:, None], 0, before)
  resets = jnp.cumsum(reset[:, ::-1], 1)[:, ::-1]  # from here on
  since_reset = resets == reset.astype(resets.dtype)
  live = mask & since_reset
  last = t - 1 - jnp.argmax(live[:, ::-1], axis=1)
  return jnp.where(live.any(1)[:, None], y[jnp.arange(b), last], h)


def _run_chunk(carry, steps, _):
  """The memory after some steps, and what is read [b t n d] after each."""
  c, n, m_before = carry
  q, k, v, z_i, log_f, mask, reset = steps
  time = mask.shape[1]
  # Which steps count in which: not later ones, not masked ones, and none from
  # before a reset.
  document = jnp.cumsum(reset, axis=1)
  counts = (document[:, :, None] == document[:, None, :]) & mask[:, None, :]
  counts = (counts & jnp.tri(time, dtype=bool))[:, None]  # [b 1 t j]
  state_counts = (document == 0)[:, None]  # [b 1 t]

  log_f = jnp.where(mask[..., None], log_f, 0).swapaxes(1, 2)  # [b n t]
  total = jnp.cumsum(log_f, axis=-1)
  log_w = total[..., :, None] - total[..., None, :]
  log_w = log_w + z_i.swapaxes(1, 2)[..., None, :]  # [b n t j]
  log_w = jnp.where(counts, log_w, NOTHING_YET)
  log_s = total + m_before[..., None]
  log_s = jnp.where(state_counts, log_s, NOTHING_YET)
  m = lax.stop_gradient(jnp.maximum(log_w.max(-1), log_s))  # [b n t]
  # exp(NOTHING_YET - NOTHING_YET) = 1 where nothing counts: hence the masks.
  w = jnp.where(counts, jnp.exp(log_w - m[..., None]), 0)
  s = jnp.where(state_counts, jnp.exp(log_s - m), 0)

  scores = jnp.einsum("btnk,bjnk->bntj", q, k) * w
  read = jnp.einsum("bntj,bjnv->btnv", scores, v)
  read += jnp.einsum("bnt,bnvk,btnk->btnv", s, c, q)
  product = scores.sum(-1) + jnp.einsum("bnt,bnk,btnk->bnt", s, n, q)
  size = jnp.maximum(jnp.abs(product), jnp.exp(-m)).swapaxes(1, 2)
  y = jnp.where(mask[..., None, None], read / size[..., None], 0)

  w, s = w[..., -1, :], s[..., -1]  # in the state after the last step
  c = s[..., None, None] * c + jnp.einsum("bnj,bjnv,bjnk->bnvk", w, v, k)
  n = s[..., None] * n + jnp.einsum("bnj,bjnk->bnk", w, k)
  return (c, n, m[..., -1]), y, None
