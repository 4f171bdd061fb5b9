"""The LSTM with layer normalisation.

Ba, Kiros & Hinton 2016, "Layer Normalization", arXiv 1607.06450, its LSTM:

    (i, f, g, o) = LN(W_x x_t; a_x) + LN(W_h h_{t-1}; a_h) + b
    c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
    h_t = sigmoid(o) * tanh(LN(c_t; a_c) + b_c)

LN(z; a) = a * (z - mean(z)) / sqrt(var(z) + epsilon) over all units of z.
"""

import dataclasses

import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Float, Int, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.base import BasicCell, matmul, option, widest
from lstm_jax.cells.lstm import LSTMState

EPSILON = 1e-5


@dataclasses.dataclass(frozen=True)
class LayerNormLSTM(BasicCell):
  """The gains start at 1. State: h and c [b h]."""

  hidden_size: int
  _: dataclasses.KW_ONLY
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)
  state_type = LSTMState
  adds_products = False

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    h = self.hidden_size
    weights = initializers.lstm_weights(key, input_size, h, self.forget_bias)
    return weights | {
      "a_x": jnp.ones(4 * h),
      "a_h": jnp.ones(4 * h),
      "a_c": jnp.ones(h),
      "b_c": jnp.zeros(h),
    }

  def project(
    self, params: Params, x: Float[Array, "*n d"] | Int[Array, "*n"]
  ) -> Float[Array, "*n g"]:
    return layer_norm(matmul(x, params["w_x"]), params["a_x"]) + params["b"]

  def step(
    self,
    params: Params,
    z: tuple[Float[Array, "b g"], Float[Array, "b g"]],
    state: LSTMState,
    noise: Float[Array, "b h"] | None = None,
  ) -> LSTMState:
    """noise: a factor on the cell input."""
    zx, zh = z
    i, f, g, o = jnp.split(zx + layer_norm(zh, params["a_h"]), 4, axis=-1)
    g = jnp.tanh(g) if noise is None else jnp.tanh(g) * noise
    c = sigmoid(f) * state.c + sigmoid(i) * g
    normal = layer_norm(c, params["a_c"]) + params["b_c"]
    return LSTMState(h=sigmoid(o) * jnp.tanh(normal), c=c)


def layer_norm(
  z: Float[Array, "*n g"], gain: Float[Array, "g"]
) -> Float[Array, "*n g"]:
  centred = z - z.mean(-1, keepdims=True)
  variance = jnp.square(centred).mean(-1, keepdims=True)
  wide = widest(z.dtype, gain.dtype)
  product = gain.astype(wide) * centred.astype(wide)
  return product * lax.rsqrt(variance + EPSILON).astype(wide)
