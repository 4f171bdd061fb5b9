"""The LSTM with forget gate.

Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", Neural Computation 9;
the forget gate is from Gers, Schmidhuber & Cummins 2000, "Learning to Forget",
Neural Computation 12:

    i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)        input gate
    f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)        forget gate
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)           cell input
    o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o)        output gate
    c_t = f_t * c_{t-1} + i_t * g_t                     cell state
    h_t = o_t * tanh(c_t)                               hidden state

The weights of the four lie side by side in the order i f g o, with one bias.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import lstm_gates
from lstm_jax.cells.base import BasicCell, option
from lstm_jax.cells.short_repr import short


class LSTMState(NamedTuple):
  h: Float[Array, "*n h"]  # hidden state, the layer's output
  c: Float[Array, "*n h"]  # cell state
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class LSTM(BasicCell):
  """An LSTM layer's hyper-parameters; see the module's equations.

  Raises:
    ValueError: chrono is not above 2, or comes with a forget_bias.
  """

  hidden_size: int
  _: dataclasses.KW_ONLY
  # initial bias of the forget gate, b_f; 1 or more lets gradients pass from the
  # start (Gers et al. 2000; Jozefowicz et al. 2015)
  forget_bias: float = option(1.0, -100, 100, initial=True)
  # biases of input and forget gate for dependencies of up to so many steps, in
  # place of forget_bias (Tallec & Ollivier 2018); 0 is none
  chrono: float = option(0.0, 0, 10**9, initial=True)
  # the input gate is at most 1 - forget gate (Melis et al. 2018)
  cap_input_gate: bool = option(False)
  state_type = LSTMState

  def __post_init__(self):
    super().__post_init__()
    initializers.check_chrono(self.chrono, self.forget_bias)

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    """w_x LeCun uniform, w_h one orthogonal matrix a gate, b zero but b_f."""
    return initializers.lstm_weights(
      key, input_size, self.hidden_size, self.forget_bias, self.chrono
    )

  def step(
    self,
    params: Params,
    z: Float[Array, "*n g"],
    state: LSTMState,
    noise: Float[Array, "*n h"] | None = None,
  ) -> LSTMState:
    """noise: a factor on g, recurrent dropout (Semeniuta et al. 2016)."""
    i, f, g, o = jnp.split(lstm_gates(z), 4, axis=-1)
    if self.cap_input_gate:
      i = jnp.minimum(i, 1 - f)
    if noise is not None:
      g = g * noise
    c = f * state.c + i * g
    return LSTMState(h=o * jnp.tanh(c), c=c)
