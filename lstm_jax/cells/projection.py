"""LSTMP: the LSTM with a recurrent projection.

Sak, Senior & Beaufays 2014, "Long Short-Term Memory Recurrent Neural Network
Architectures for Large Scale Acoustic Modeling", Interspeech: what goes up and
back is r_t = W_r h_t, narrower than the cell state, without the peepholes:

    i, f, g, o from W_x x_t + W_h r_{t-1} + b
    c_t = f_t * c_{t-1} + i_t * g_t
    r_t = W_r (o_t * tanh(c_t))

With W_r = I it is the LSTM with forget gate.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.base import BasicCell, option
from lstm_jax.cells.lstm import LSTM, LSTMState
from lstm_jax.cells.short_repr import short


class ProjectionState(NamedTuple):
  h: Float[Array, "*n p"]  # r, the projected hidden state
  c: Float[Array, "*n h"]
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class ProjectionLSTM(BasicCell):
  """hidden_size cells, of which projection_size numbers go up and back."""

  hidden_size: int
  _: dataclasses.KW_ONLY
  # width of what goes up and back, r
  projection_size: int = option(128, 1, 10**6)
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)

  @property
  def output_size(self) -> int:
    return self.projection_size

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    h, p = self.hidden_size, self.projection_size
    weights = initializers.lstm_weights(key, input_size, h, self.forget_bias)
    key_h, key_r = jax.random.split(jax.random.fold_in(key, 1))
    return weights | {
      "w_h": initializers.lecun_uniform(key_h, (p, 4 * h)),
      "w_r": initializers.lecun_uniform(key_r, (h, p)),
    }

  def initial_state(
    self, batch: int, dtype: Any = jnp.float32
  ) -> ProjectionState:
    return ProjectionState(
      h=jnp.zeros((batch, self.projection_size), dtype),
      c=jnp.zeros((batch, self.hidden_size), dtype),
    )

  def step(
    self,
    params: Params,
    z: Float[Array, "b g"],
    state: ProjectionState,
    noise: Float[Array, "b h"] | None = None,
  ) -> ProjectionState:
    """noise: a factor on the cell input."""
    inner = LSTM(self.hidden_size).step(
      {}, z, LSTMState(h=state.c, c=state.c), noise
    )
    return ProjectionState(h=inner.h @ params["w_r"], c=inner.c)
