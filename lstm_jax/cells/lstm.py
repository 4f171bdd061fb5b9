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

import jax
import jax.numpy as jnp

from lstm_jax import initializers
from lstm_jax.array_types import Array, Float, Key, Params


class LSTMState(NamedTuple):
  h: Float[Array, "*n h"]  # hidden state, the layer's output
  c: Float[Array, "*n h"]  # cell state


@dataclasses.dataclass(frozen=True)
class LSTM:
  """An LSTM layer's hyper-parameters; see the module's equations.

  forget_bias: initial b_f. 1 or more lets gradients pass from the start
    (Gers et al. 2000; Jozefowicz et al. 2015); 0 is the plain initialisation.
  """

  hidden_size: int
  forget_bias: float = 1.0
  sums = True

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    """w_x LeCun uniform, w_h one orthogonal matrix a gate, b zero but b_f."""
    h = self.hidden_size
    key_x, key_h = jax.random.split(key)
    return {
      "w_x": initializers.lecun_uniform(key_x, (input_size, 4 * h)),
      "w_h": initializers.orthogonal_per_gate(key_h, h, 4),
      "b": jnp.zeros(4 * h).at[h : 2 * h].set(self.forget_bias),
    }

  def initial_state(self, batch: int, dtype=jnp.float32) -> LSTMState:
    zeros = jnp.zeros((batch, self.hidden_size), dtype)
    return LSTMState(h=zeros, c=zeros)

  def project(
    self, params: Params, x: Float[Array, "*n d"]
  ) -> Float[Array, "*n g"]:
    return x @ params["w_x"] + params["b"]

  def recurrent_input(
    self, params: Params, state: LSTMState
  ) -> Float[Array, "*n h"]:
    return state.h

  def step(
    self, params: Params, z: Float[Array, "b g"], state: LSTMState
  ) -> LSTMState:
    i, f, g, o = jnp.split(_activate(z), 4, axis=-1)
    c = f * state.c + i * g
    return LSTMState(h=o * jnp.tanh(c), c=c)

  def output(self, state: LSTMState) -> Float[Array, "*n h"]:
    return state.h


def _activate(z: Float[Array, "b g"]) -> Float[Array, "b g"]:
  """sigmoid on i, f, o and tanh on g with one tanh over the whole array.

  sigmoid(z) = tanh(z / 2) / 2 + 1/2. On CPU XLA lowers `logistic` to an
  exponential and a division in each of several kernels; this is 1.2-1.8 times
  faster forward.
  """
  h = z.shape[-1] // 4
  gate = jnp.arange(4 * h) // h
  scale = jnp.where(gate == 2, 1.0, 0.5).astype(z.dtype)
  shift = jnp.where(gate == 2, 0.0, 0.5).astype(z.dtype)
  return jnp.tanh(z * scale) * scale + shift
