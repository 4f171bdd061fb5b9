"""The residual block around the mLSTM of xLSTM.

Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", NeurIPS, appendix,
the block with an up-projection before the recurrence; a stack of nothing else
is xLSTM[1:0]. For a width d and inner width e = 2 d:

    u_t, s_t = LN(x_t; a_x) W_x                         up, [e] each
    a_t = silu(sum over j < 4 of kernel_j u_{t-3+j} + b_conv)
    q_t, k_t = a_t W_q, a_t W_k;  v_t = u_t W_v         block-diagonal
    z_i, z_f = [q_t k_t v_t] W_gate + b_gate            two numbers a head
    r_t = what `matrix_lstm` reads, without an output gate
    h_t = ((LN(r_t; a_h) + skip * a_t) * silu(s_t)) W_down

where the second LN is one for each head. The input is added outside:
`residual=True` of the stack makes it x_t + h_t, and its `output_norm` is the
normalisation above the last block. The state has the window of the convolution
too. A block has 6 d^2 + (39 + 12 n) d + 2 n parameters with n heads.

The structure is that of the authors' code (github.com/NX-AI/xlstm). There e is
rounded up to a multiple of 64, 1e-6 is added to the denominator of what is
read, the recurrent form begins with m_0 = 0 (the parallel one with minus
infinity, as here), and weights start as normal numbers, those of W_down the
smaller the more blocks there are; here they are uniform with the variance
1 / inputs.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Int, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import check_integer
from lstm_jax.cells.base import BasicCell, is_symbols, matmul, option
from lstm_jax.cells.causal_convolution import convolve
from lstm_jax.cells.layer_norm import layer_norm
from lstm_jax.cells.matrix_lstm import last_output, memory_parallel, memory_step
from lstm_jax.cells.short_repr import short
from lstm_jax.cells.slstm import NOTHING_YET

WIDER = 2  # times, inside
KERNEL = 4  # steps
BLOCK = 4  # features that W_q, W_k and W_v mix
FORGET_BIASES = 3.0, 6.0  # of the first and the last head


class MatrixLSTMBlockState(NamedTuple):
  h: Float[Array, "*b h"]
  window: Float[Array, "*b w e"]  # the last inputs of the convolution
  c: Float[Array, "*b n d d"]  # divided by exp(m), as are n
  n: Float[Array, "*b n d"]
  m: Float[Array, "*b n"]
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class MatrixLSTMBlock(BasicCell):
  """Inputs and outputs are [b t h].

  Raises:
    ValueError: hidden_size is odd, or twice it no multiple of heads.
  """

  hidden_size: int
  _: dataclasses.KW_ONLY
  # memories side by side, each of its own inner units; the authors' code has 4
  heads: int = option(1, 1, 10**6)
  has_cell_input = False

  def __post_init__(self):
    super().__post_init__()
    inner = WIDER * self.hidden_size
    if inner % BLOCK:
      raise ValueError(f"hidden_size {self.hidden_size} must be even")
    if inner % self.heads:
      raise ValueError(
        f"twice hidden_size, {inner}, must be a multiple of heads {self.heads}"
      )

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    check_integer("input_size", input_size)
    h, n = self.hidden_size, self.heads
    e = WIDER * h
    keys = jax.random.split(key, 7)
    draw, block = initializers.lecun_uniform, (e // BLOCK, BLOCK, BLOCK)
    b_i = 0.1 * jax.random.normal(keys[0], (n,))
    return {
      "a_x": jnp.ones(input_size),
      "w_x": draw(keys[1], (input_size, 2 * e)),
      "kernel": draw(keys[2], (KERNEL, e)),
      "b_conv": jnp.zeros(e),
      **{
        name: initializers.uniform(k, block, (3 / BLOCK) ** 0.5)
        for name, k in zip(("w_q", "w_k", "w_v"), keys[3:], strict=False)
      },
      # At first the gates are the same for all inputs.
      "w_gate": jnp.zeros((3 * e, 2 * n)),
      "b_gate": jnp.concatenate([b_i, jnp.linspace(*FORGET_BIASES, n)]),
      "a_h": jnp.ones(e),
      "skip": jnp.ones(e),
      "w_down": draw(keys[6], (e, h)),
    }

  def initial_state(
    self, batch: int, dtype: Any = jnp.float32
  ) -> MatrixLSTMBlockState:
    e, heads = WIDER * self.hidden_size, self.heads
    d = e // heads
    return MatrixLSTMBlockState(
      h=jnp.zeros((batch, self.hidden_size), dtype),
      window=jnp.zeros((batch, KERNEL - 1, e), dtype),
      c=jnp.zeros((batch, heads, d, d), dtype),
      n=jnp.zeros((batch, heads, d), dtype),
      m=jnp.full((batch, heads), NOTHING_YET, dtype),
    )

  def project(
    self, params: Params, x: Float[Array, "*n d"] | Int[Array, "*n"]
  ) -> Float[Array, "*n g"]:
    w_x = params["w_x"]
    if is_symbols(x):
      x = jax.nn.one_hot(x, w_x.shape[0], dtype=w_x.dtype)
    return matmul(layer_norm(x, params["a_x"]).astype(x.dtype), w_x)

  def step(
    self,
    params: Params,
    z: Float[Array, "b g"],
    state: MatrixLSTMBlockState,
    noise: None = None,
  ) -> MatrixLSTMBlockState:
    u, s = jnp.split(z, 2, axis=-1)
    a, window = convolve(u[:, None], params["kernel"], state.window)
    a = jax.nn.silu(a[:, 0] + params["b_conv"])
    read, *memory = memory_step(*self._inputs(params, u, a), *state[2:])
    h = self._output(params, read, a, s)
    return MatrixLSTMBlockState(h, window, *memory)

  def parallel(
    self,
    params: Params,
    x: Float[Array, "b t d"] | Int[Array, "b t"],
    state: MatrixLSTMBlockState,
    mask: Bool[Array, "b t"] | None = None,
    reset: Bool[Array, "b t"] | None = None,
    chunk: int = 0,
  ) -> tuple[Float[Array, "b t h"], MatrixLSTMBlockState]:
    """What `unroll` computes step by step; see `MatrixLSTM.parallel`."""
    u, s = jnp.split(self.project(params, x), 2, axis=-1)
    a, window = convolve(u, params["kernel"], state.window, mask, reset)
    a = jax.nn.silu(a + params["b_conv"])
    flags = jnp.ones(x.shape[:2], bool), jnp.zeros(x.shape[:2], bool)
    mask = flags[0] if mask is None else mask
    reset = flags[1] if reset is None else reset
    steps = (*self._inputs(params, u, a), mask, reset)
    read, memory = memory_parallel(state[2:], steps, chunk)
    y = jnp.where(mask[..., None], self._output(params, read, a, s), 0)
    h = last_output(y, state.h, mask, reset)
    return y, MatrixLSTMBlockState(h, window, *memory)

  def _inputs(self, params, u, a):
    """q, k, v [... n d] and z_i, log f [... n] of the memory."""

    def mix(x, name):
      blocks = x.reshape(*x.shape[:-1], -1, BLOCK)
      mixed = jnp.einsum("...ni,nij->...nj", blocks, params[name])
      return mixed.reshape(x.shape)

    q, k, v = mix(a, "w_q"), mix(a, "w_k"), mix(u, "w_v")
    gates = jnp.concatenate([q, k, v], -1) @ params["w_gate"] + params["b_gate"]
    z_i, z_f = jnp.split(gates, 2, axis=-1)
    q, k, v = (x.reshape(*x.shape[:-1], self.heads, -1) for x in (q, k, v))
    return q, k / k.shape[-1] ** 0.5, v, z_i, jax.nn.log_sigmoid(z_f)

  def _output(self, params, read, a, s):
    """The block's output of what was read, [... n d]."""
    one = jnp.ones(read.shape[-1], read.dtype)
    normal = layer_norm(read, one).reshape(a.shape)
    inner = params["a_h"] * normal + params["skip"] * a
    return (inner * jax.nn.silu(s)) @ params["w_down"]
