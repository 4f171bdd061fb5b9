"""sLSTM: exponential gates, a normaliser and heads.

Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", NeurIPS. With
z = W_x x_t + W_h h_{t-1} + b, where W_h is block-diagonal, a block a head:

    i_t = exp(z_i)                                      input gate
    f_t = sigmoid(z_f) or exp(z_f)                      forget gate
    c_t = f_t c_{t-1} + i_t tanh(z_g)                   cell state
    n_t = f_t n_{t-1} + i_t                             normaliser
    h_t = sigmoid(z_o) c_t / n_t                        hidden state

Numbers stay small because c and n are stored divided by exp(m_t):

    m_t  = max(log f_t + m_{t-1}, z_i)                  stabiliser
    i'_t = exp(z_i - m_t),   f'_t = exp(log f_t + m_{t-1} - m_t)

The columns of the weights are, head by head, i, f, g, o.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.argument_checks import check_integer
from lstm_jax.cells.base import BasicCell, option
from lstm_jax.cells.short_repr import short

FORGET_GATES = ("sigmoid", "exp")
NOTHING_YET = -1e30  # m_0, so that m_1 = z_i; finite, for f' = exp(m_0 - m_1)


class SLSTMState(NamedTuple):
  h: Float[Array, "*n h"]
  c: Float[Array, "*n h"]  # divided by exp(m)
  n: Float[Array, "*n h"]  # divided by exp(m)
  m: Float[Array, "*n h"]
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class SLSTM(BasicCell):
  """No gradient flows through m: no output depends on it in exact arithmetic.

  Raises:
    ValueError: hidden_size is no multiple of heads.
  """

  hidden_size: int
  _: dataclasses.KW_ONLY
  # groups of hidden units that do not see each other
  heads: int = option(1, 1, 10**6)
  # the forget gate, sigmoid(z_f) or exp(z_f)
  forget: str = option("sigmoid", choices=FORGET_GATES)
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)

  def __post_init__(self):
    super().__post_init__()
    check_heads(self.hidden_size, self.heads)

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    check_integer("input_size", input_size)
    n, width = self.heads, self.hidden_size // self.heads
    key_x, key_h = jax.random.split(key)
    blocks = [
      initializers.orthogonal_per_gate(k, width, 4)
      for k in jax.random.split(key_h, n)
    ]
    b = jnp.zeros((n, 4, width)).at[:, 1].set(self.forget_bias)
    return {
      "w_x": initializers.lecun_uniform(
        key_x, (input_size, 4 * self.hidden_size)
      ),
      "w_h": jnp.stack(blocks),
      "b": b.reshape(-1),
    }

  def initial_state(self, batch: int, dtype: Any = jnp.float32) -> SLSTMState:
    shape = (batch, self.hidden_size)
    h, c, n = (jnp.zeros(shape, dtype) for _ in range(3))
    return SLSTMState(h, c, n, jnp.full(shape, NOTHING_YET, dtype))

  def step(
    self,
    params: Params,
    z: Float[Array, "b g"],
    state: SLSTMState,
    noise: Float[Array, "b h"] | None = None,
  ) -> SLSTMState:
    """noise: a factor on the cell input."""
    by_head = z.reshape(z.shape[0], self.heads, 4, -1)
    z_i, z_f, z_g, z_o = (
      by_head[:, :, gate].reshape(state.c.shape) for gate in range(4)
    )
    log_f = jax.nn.log_sigmoid(z_f) if self.forget == "sigmoid" else z_f
    m = lax.stop_gradient(jnp.maximum(log_f + state.m, z_i))
    i, f = jnp.exp(z_i - m), jnp.exp(log_f + state.m - m)
    g = jnp.tanh(z_g) if noise is None else jnp.tanh(z_g) * noise
    c = f * state.c + i * g
    n = f * state.n + i
    return SLSTMState(sigmoid(z_o) * c / n, c, n, m)


def check_heads(hidden_size: int, heads: int):
  """Raises ValueError unless the heads divide the hidden units."""
  if hidden_size % heads:
    raise ValueError(
      f"hidden_size {hidden_size} must be a multiple of heads {heads}"
    )
