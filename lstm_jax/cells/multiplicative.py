"""The multiplicative LSTM: the input chooses the recurrent transition.

Krause, Lu, Murray & Renals 2016, "Multiplicative LSTM for sequence modelling",
arXiv 1609.07959:

    m_t = (W_mx x_t) * (W_mh h_{t-1})
    i, f, g, o from W_x x_t + W_m m_t + b, and on as in the LSTM

The four input projections and W_mx are side by side in `w_x` [d, 5h], W_mh is
`w_h` [h h], and W_m is `w_m` [h 4h].
"""

import dataclasses

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Int, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.base import BasicCell, matmul, option
from lstm_jax.cells.lstm import LSTM, LSTMState


@dataclasses.dataclass(frozen=True)
class MultiplicativeLSTM(BasicCell):
  """State: h and c [b h]."""

  hidden_size: int
  _: dataclasses.KW_ONLY
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)
  state_type = LSTMState
  adds_products = False

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    h = self.hidden_size
    lstm = initializers.lstm_weights(key, input_size, h, self.forget_bias)
    key_x, key_h = jax.random.split(jax.random.fold_in(key, 1))
    w_mx = initializers.lecun_uniform(key_x, (input_size, h))
    return {
      "w_x": jnp.concatenate([lstm["w_x"], w_mx], axis=1),
      "w_h": initializers.orthogonal_per_gate(key_h, h, 1),
      "b": lstm["b"],
      "w_m": lstm["w_h"],
    }

  def project(
    self, params: Params, x: Float[Array, "*n d"] | Int[Array, "*n"]
  ) -> Float[Array, "*n g"]:
    b = jnp.pad(params["b"], (0, self.hidden_size))
    return matmul(x, params["w_x"]) + b

  def step(
    self,
    params: Params,
    z: tuple[Float[Array, "b g"], Float[Array, "b h"]],
    state: LSTMState,
    noise: Float[Array, "b h"] | None = None,
  ) -> LSTMState:
    """noise: a factor on the cell input."""
    zx, zh = z
    gates, mx = jnp.split(zx, [4 * self.hidden_size], axis=-1)
    m = mx * zh
    return LSTM(self.hidden_size).step(
      {}, gates + m @ params["w_m"], state, noise
    )
