"""The gated recurrent unit.

Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder",
EMNLP, with the reset gate after the recurrent product, as cuDNN has it:

    r_t = sigmoid(W_xr x_t + W_hr h_{t-1} + b_r)           reset gate
    u_t = sigmoid(W_xu x_t + W_hu h_{t-1} + b_u)           update gate
    n_t = tanh(W_xn x_t + b_n + r_t * (W_hn h_{t-1} + b_hn))
    h_t = (1 - u_t) * n_t + u_t * h_{t-1}
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.argument_checks import check_integer
from lstm_jax.cells.base import BasicCell
from lstm_jax.cells.short_repr import short


class GRUState(NamedTuple):
  h: Float[Array, "*n h"]
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class GRU(BasicCell):
  """The reset gate comes after the recurrent product. State: h [b h]."""

  hidden_size: int
  state_type = GRUState
  adds_products = False

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    check_integer("input_size", input_size)
    h = self.hidden_size
    key_x, key_h = jax.random.split(key)
    return {
      "w_x": initializers.lecun_uniform(key_x, (input_size, 3 * h)),
      "w_h": initializers.orthogonal_per_gate(key_h, h, 3),
      "b": jnp.zeros(3 * h),
      "b_hn": jnp.zeros(h),
    }

  def step(
    self,
    params: Params,
    z: tuple[Float[Array, "b g"], Float[Array, "b g"]],
    state: GRUState,
    noise: Float[Array, "b h"] | None = None,
  ) -> GRUState:
    """noise: a factor on n_t."""
    (xr, xu, xn), (hr, hu, hn) = (jnp.split(part, 3, axis=-1) for part in z)
    r, u = sigmoid(xr + hr), sigmoid(xu + hu)
    n = jnp.tanh(xn + r * (hn + params["b_hn"]))
    if noise is not None:
      n = n * noise
    return GRUState((1 - u) * n + u * state.h)
