"""The LSTM with peephole connections: gates see the cell state.

Gers, Schraudolph & Schmidhuber 2002, "Learning Precise Timing with LSTM
Recurrent Networks", JMLR 3:

    i_t = sigmoid(z_i + p_i * c_{t-1})
    f_t = sigmoid(z_f + p_f * c_{t-1})
    c_t = f_t * c_{t-1} + i_t * tanh(z_g)
    o_t = sigmoid(z_o + p_o * c_t)
    h_t = o_t * tanh(c_t)

where z = W_x x_t + W_h h_{t-1} + b. With p = 0 it is the LSTM with forget gate.
"""

import dataclasses

import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.base import BasicCell, option
from lstm_jax.cells.lstm import LSTMState


@dataclasses.dataclass(frozen=True)
class PeepholeLSTM(BasicCell):
  """The peepholes start at 0. State: h and c [b h].

  Raises:
    ValueError: chrono is not above 2, or comes with a forget_bias.
  """

  hidden_size: int
  _: dataclasses.KW_ONLY
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)
  # biases of input and forget gate for dependencies of up to so many steps, in
  # place of forget_bias (Tallec & Ollivier 2018); 0 is none
  chrono: float = option(0.0, 0, 10**9, initial=True)
  state_type = LSTMState

  def __post_init__(self):
    super().__post_init__()
    initializers.check_chrono(self.chrono, self.forget_bias)

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    weights = initializers.lstm_weights(
      key, input_size, self.hidden_size, self.forget_bias, self.chrono
    )
    names = "p_i", "p_f", "p_o"
    return weights | {name: jnp.zeros(self.hidden_size) for name in names}

  def step(
    self,
    params: Params,
    z: Float[Array, "*n g"],
    state: LSTMState,
    noise: Float[Array, "*n h"] | None = None,
  ) -> LSTMState:
    """noise: a factor on the cell input."""
    z_i, z_f, z_g, z_o = jnp.split(z, 4, axis=-1)
    i = sigmoid(z_i + params["p_i"] * state.c)
    f = sigmoid(z_f + params["p_f"] * state.c)
    g = jnp.tanh(z_g) if noise is None else jnp.tanh(z_g) * noise
    c = f * state.c + i * g
    o = sigmoid(z_o + params["p_o"] * c)
    return LSTMState(h=o * jnp.tanh(c), c=c)
