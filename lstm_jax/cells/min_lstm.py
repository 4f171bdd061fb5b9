"""The minimal LSTM: gates that do not see the state.

Feng, Tung, Ahmed, Bengio & Hajimirsadegh 2024, "Were RNNs All We Needed?",
arXiv 2410.01201:

    i_t = sigmoid(W_i x_t + b_i)                        input gate
    f_t = sigmoid(W_f x_t + b_f)                        forget gate
    h_t = f_t / (f_t + i_t) * h_{t-1} + i_t / (f_t + i_t) * (W_g x_t + b_g)

This is the paper's plain form. Its log-space form, which its experiments use,
keeps h above 0, with g(W_g x_t + b_g) in place of W_g x_t + b_g:

    g(z) = z + 1/2 for z >= 0, sigmoid(z) below

That is `positive_input`. It needs no logarithms here: each step is a mean of h
and the cell input, whose weights are positive and sum to 1.

Without W_h it is linear in h, so that all time steps can be computed at once by
an associative scan (`parallel`). The columns of the weights are i, f, g.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Bool, Float, Int, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.argument_checks import check_integer
from lstm_jax.cells.base import BasicCell, option
from lstm_jax.cells.short_repr import short
from lstm_jax.cells.time_chunks import scan_chunks


class MinLSTMState(NamedTuple):
  h: Float[Array, "*n h"]
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class MinLSTM(BasicCell):
  """It has no recurrent product. State: h [b h]."""

  hidden_size: int
  _: dataclasses.KW_ONLY
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)
  # the paper's log-space form, whose cell inputs are above 0
  positive_input: bool = option(False)
  state_type = MinLSTMState

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    check_integer("input_size", input_size)
    h = self.hidden_size
    return {
      "w_x": initializers.lecun_uniform(key, (input_size, 3 * h)),
      "b": jnp.zeros(3 * h).at[h : 2 * h].set(self.forget_bias),
    }

  def step(
    self,
    params: Params,
    z: Float[Array, "b g"],
    state: MinLSTMState,
    noise: Float[Array, "b h"] | None = None,
  ) -> MinLSTMState:
    """noise: a factor on the cell input."""
    i, f, g = self._gates(z)
    if noise is not None:
      g = g * noise
    return MinLSTMState(f * state.h + i * g)

  def parallel(
    self,
    params: Params,
    x: Float[Array, "b t d"] | Int[Array, "b t"],
    state: MinLSTMState,
    mask: Bool[Array, "b t"] | None = None,
    reset: Bool[Array, "b t"] | None = None,
    chunk: int = 0,
  ) -> tuple[Float[Array, "b t h"], MinLSTMState]:
    """What `unroll` computes step by step, in some log2(t) sweeps.

    chunk: sweep over this many steps at a time; 0 is all at once. mask and
    reset are those of `unroll`; inputs must be finite where mask is False too.
    """
    i, f, g = self._gates(self.project(params, x))
    decay, gain = f, i * g  # h_t = decay_t * h_{t-1} + gain_t
    if mask is not None:
      decay = jnp.where(mask[..., None], decay, 1)
      gain = jnp.where(mask[..., None], gain, 0)
    if reset is not None:
      decay = jnp.where(reset[..., None], 0, decay)

    def run_chunk(h, steps, _):
      decay, gain = steps
      gain = gain.at[:, 0].add(decay[:, 0] * h)
      _, y = lax.associative_scan(_compose, (decay, gain), axis=1)
      return y[:, -1], y, None

    h, y, _ = scan_chunks(run_chunk, state.h, (decay, gain), chunk)
    if mask is not None:
      y = jnp.where(mask[..., None], y, 0)
    return y, MinLSTMState(h)

  def _gates(self, z):
    """i / (f + i), f / (f + i) and the cell input from z.

    f / (f + i) = sigmoid(log f - log i), and -log sigmoid(z) = softplus(-z): no
    gate is divided by, however small.
    """
    i, f, g = jnp.split(z, 3, axis=-1)
    difference = jax.nn.softplus(-i) - jax.nn.softplus(-f)
    if self.positive_input:
      g = jnp.where(g >= 0, g + 0.5, sigmoid(g))
    return sigmoid(-difference), sigmoid(difference), g


def _compose(first, second):
  """h -> a h + b, and after it another such map."""
  (a, b), (c, d) = first, second
  return a * c, b * c + d
