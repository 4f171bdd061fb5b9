"""The eight variants of Greff et al., each the peephole LSTM with one change.

Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber 2017, "LSTM: A Search
Space Odyssey", IEEE TNNLS 28:

    V     the peephole LSTM itself      NIAF  no input activation: g = z_g
    NIG   no input gate: i = 1          NOAF  no output activation: h = o * c
    NFG   no forget gate: f = 1         NP    no peepholes
    NOG   no output gate: o = 1         CIFG  coupled gates: f = 1 - i
    FGR   full gate recurrence: i, f and o also see the three gates of the step
          before, through nine more matrices
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.base import BasicCell, option
from lstm_jax.cells.lstm import LSTM
from lstm_jax.cells.short_repr import short

VARIANTS = ("V", "NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR")
_MISSING_GATE = {"NIG": 0, "NFG": 1, "NOG": 3, "CIFG": 1}  # place in i f g o


class GreffState(NamedTuple):
  h: Float[Array, "*n h"]
  c: Float[Array, "*n h"]
  gates: Float[Array, "*n g"] | None  # i f o of the last step, for FGR
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class GreffLSTM(BasicCell):
  """A gate that is missing has no parameters."""

  hidden_size: int
  _: dataclasses.KW_ONLY
  # V, the peephole LSTM, or one of its eight variants
  variant: str = option("V", choices=VARIANTS)
  # initial bias of the forget gate, b_f
  forget_bias: float = option(1.0, -100, 100, initial=True)

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    h = self.hidden_size
    params: Params = initializers.lstm_weights(
      key, input_size, h, self.forget_bias
    )
    peepholes = {"i": 0, "f": 1, "o": 3}
    if (missing := _MISSING_GATE.get(self.variant)) is not None:
      columns = slice(missing * h, (missing + 1) * h)
      params |= {
        name: jnp.delete(value, columns, axis=-1)
        for name, value in params.items()
      }
    for name, gate in peepholes.items():
      if self.variant != "NP" and gate != missing:
        params[f"p_{name}"] = jnp.zeros(h)
    if self.variant == "FGR":
      params["w_gates"] = initializers.lecun_uniform(
        jax.random.fold_in(key, 1), (3 * h, 3 * h)
      )
    return params

  def initial_state(self, batch: int, dtype: Any = jnp.float32) -> GreffState:
    h, c = LSTM(self.hidden_size).initial_state(batch, dtype)
    gates = None
    if self.variant == "FGR":
      gates = jnp.zeros((batch, 3 * self.hidden_size), dtype)
    return GreffState(h, c, gates)

  def step(
    self,
    params: Params,
    z: Float[Array, "b g"],
    state: GreffState,
    noise: Float[Array, "b h"] | None = None,
  ) -> GreffState:
    """noise: a factor on the cell input."""
    variant = self.variant
    parts: list[Any] = jnp.split(z, z.shape[-1] // self.hidden_size, axis=-1)
    if variant in _MISSING_GATE:
      parts.insert(_MISSING_GATE[variant], None)
    z_i, z_f, z_g, z_o = parts
    if variant == "FGR":
      r_i, r_f, r_o = jnp.split(state.gates @ params["w_gates"], 3, axis=-1)
      z_i, z_f, z_o = z_i + r_i, z_f + r_f, z_o + r_o

    def gate(name, z, c):
      peephole = params.get(f"p_{name}", 0.0) * c
      return jnp.ones_like(c) if z is None else sigmoid(z + peephole)

    i = gate("i", z_i, state.c)
    f = 1 - i if variant == "CIFG" else gate("f", z_f, state.c)
    g = z_g if variant == "NIAF" else jnp.tanh(z_g)
    if noise is not None:
      g = g * noise
    c = f * state.c + i * g
    o = gate("o", z_o, c)
    h = o * (c if variant == "NOAF" else jnp.tanh(c))
    gates = state.gates
    if variant == "FGR":
      gates = jnp.concatenate([i, f, o], axis=-1)
    return GreffState(h, c, gates)
