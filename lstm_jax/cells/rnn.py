"""The simple recurrent network, and the IRNN.

Elman 1990, "Finding Structure in Time", Cognitive Science 14:

    h_t = f(W_x x_t + W_h h_{t-1} + b),   f = tanh or max(0, .)

Le, Jaitly & Hinton 2015, "A Simple Way to Initialize Recurrent Networks of
Rectified Linear Units", arXiv 1504.00941: W_h starts as the identity, W_x as
N(0, 0.001), f = max(0, .).
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import check_integer
from lstm_jax.cells.base import BasicCell, option
from lstm_jax.cells.short_repr import short

NONLINEARITIES = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class RNNState(NamedTuple):
  h: Float[Array, "*n h"]
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class RNN(BasicCell):
  """State: h [b h]."""

  hidden_size: int
  _: dataclasses.KW_ONLY
  # f, tanh or max(0, .)
  nonlinearity: str = option("tanh", choices=tuple(NONLINEARITIES))
  # start as the IRNN: W_h is the identity and W_x small
  identity: bool = option(False, initial=True)
  state_type = RNNState

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    check_integer("input_size", input_size)
    h = self.hidden_size
    key_x, key_h = jax.random.split(key)
    if self.identity:
      w_x = 0.001 * jax.random.normal(key_x, (input_size, h))
      w_h = jnp.eye(h)
    else:
      w_x = initializers.lecun_uniform(key_x, (input_size, h))
      w_h = initializers.orthogonal_per_gate(key_h, h, 1)
    return {"w_x": w_x, "w_h": w_h, "b": jnp.zeros(h)}

  def step(
    self,
    params: Params,
    z: Float[Array, "b g"],
    state: RNNState,
    noise: Float[Array, "b h"] | None = None,
  ) -> RNNState:
    """noise: a factor on the new hidden state."""
    h = NONLINEARITIES[self.nonlinearity](z)
    return RNNState(h if noise is None else h * noise)
