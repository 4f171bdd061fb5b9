"""The LSTM of 1997: memory blocks, and no forget gate.

Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", Neural Computation 9.
Cell v of block j shares its input gate and output gate with the other cells of
the block:

    r_t   = [h_{t-1}; i_{t-1}; o_{t-1}]        cells and gates, one step ago
    i_j   = sigmoid(W_i x_t + R_i r_t + b_i)     input gate of block j
    o_j   = sigmoid(W_o x_t + R_o r_t + b_o)     output gate of block j
    c_jv  = c_jv' + i_j * g(W_g x_t + R_g r_t + b_g)
    h_jv  = o_j * tanh(c_jv / 2)

with g(z) = 4 sigmoid(z) - 2 = 2 tanh(z / 2) in [-2, 2]; the output squashing
2 sigmoid(c) - 1 in [-1, 1] is tanh(c / 2). The paper writes s for c.

Its gradient is truncated: no error flows through r_t. What is left is the
constant error carousel, c_jv = c_jv' + ..., whose derivative is exactly 1.

The paper's text has these ranges; the caption of the table of conditions in its
technical report has g in [-1, 1] and the output squashing in [-2, 2], which is
`wide_output`. In its experiments 2a and 2b g is the sigmoid itself, in [0, 1],
and h_jv = o_j * c_jv, which is `logistic_input`.

The columns of the weights are i, o, g: the gates first.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Float, Int, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.activations import sigmoid
from lstm_jax.cells.argument_checks import check_integer
from lstm_jax.cells.base import BasicCell, matmul, option
from lstm_jax.cells.lstm import LSTM
from lstm_jax.cells.short_repr import short

BIASES = ("none", "gates", "all")


class LSTM1997State(NamedTuple):
  h: Float[Array, "*n h"]  # outputs of the cells
  c: Float[Array, "*n h"]  # the carousel, s in the paper
  gates: Float[Array, "*n k"]  # i and o of the last step
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class LSTM1997(BasicCell):
  """hidden_size cells in hidden_size / block_size blocks.

  Raises:
    ValueError: hidden_size is no multiple of block_size, there are initial
      biases for gates that have none, or both kinds of ranges are asked for.
  """

  hidden_size: int
  _: dataclasses.KW_ONLY
  # cells of a memory block, which share its gates
  block_size: int = option(1, 1, 10**6)
  # g in [-1, 1] and the output squashing in [-2, 2], not the other way round
  wide_output: bool = option(False)
  # g in [0, 1] and no output squashing (experiments 2a and 2b)
  logistic_input: bool = option(False)
  # false leaves the output gates out, o = 1 (experiment 2a)
  output_gate: bool = option(True)
  # false leaves r_t out, so that nothing but the carousel remembers
  recurrent: bool = option(True)
  # false is the full gradient, through r_t as well
  truncated: bool = option(True)
  # the units that have a bias
  biases: str = option("all", choices=BIASES)
  # weights and biases start as U(-init_scale, init_scale)
  init_scale: float = option(0.1, 0, 100, initial=True)
  # initial biases of the input gates of the first block, the second, ..., and
  # from the first again where there are more blocks; none draws them
  input_gate_biases: tuple[float, ...] = option((), -100, 100, initial=True)
  # the same of the output gates
  output_gate_biases: tuple[float, ...] = option((), -100, 100, initial=True)

  def __post_init__(self):
    super().__post_init__()
    if self.hidden_size % self.block_size:
      raise ValueError(
        f"hidden_size {self.hidden_size} must be a multiple of block_size"
        f" {self.block_size}, the cells of a memory block"
      )
    if self.wide_output and self.logistic_input:
      raise ValueError("wide_output and logistic_input exclude each other")
    for name, there in (("input", True), ("output", self.output_gate)):
      if getattr(self, f"{name}_gate_biases") and (
        self.biases == "none" or not there
      ):
        raise ValueError(f"{name}_gate_biases: {name} gates without biases")

  @property
  def _blocks(self) -> int:
    return self.hidden_size // self.block_size

  @property
  def _gates(self) -> int:
    return self._blocks * (1 + self.output_gate)

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    check_integer("input_size", input_size)
    h, gates, scale = self.hidden_size, self._gates, self.init_scale
    key_x, key_h, key_b = jax.random.split(key, 3)
    params = {
      "w_x": initializers.uniform(key_x, (input_size, gates + h), scale)
    }
    if self.recurrent:
      params["w_h"] = initializers.uniform(key_h, (h + gates, gates + h), scale)
    if self.biases != "none":
      width = gates + (h if self.biases == "all" else 0)
      b = jnp.asarray(initializers.uniform(key_b, (width,), scale))
      for first, values in (
        (0, self.input_gate_biases),
        (self._blocks, self.output_gate_biases),
      ):
        if values:
          cycle = [values[k % len(values)] for k in range(self._blocks)]
          b = b.at[first : first + self._blocks].set(jnp.array(cycle))
      params["b"] = b
    return params

  def initial_state(
    self, batch: int, dtype: Any = jnp.float32
  ) -> LSTM1997State:
    h, c = LSTM(self.hidden_size).initial_state(batch, dtype)
    gates = jnp.zeros((batch, self._gates), dtype)
    return LSTM1997State(h, c, gates)

  def project(
    self, params: Params, x: Float[Array, "*n d"] | Int[Array, "*n"]
  ) -> Float[Array, "*n g"]:
    z = matmul(x, params["w_x"])
    if "b" not in params:
      return z
    b = params["b"]  # of the gates, which come first, or of all units
    return z + jnp.pad(b, (0, z.shape[-1] - b.shape[0]))

  def recurrent_input(
    self, params: Params, state: LSTM1997State
  ) -> Float[Array, "*n r"]:
    r = jnp.concatenate([state.h, state.gates], axis=-1)
    return lax.stop_gradient(r) if self.truncated else r

  def step(
    self,
    params: Params,
    z: Float[Array, "b g"],
    state: LSTM1997State,
    noise: Float[Array, "b h"] | None = None,
  ) -> LSTM1997State:
    """noise: a factor on the cell input."""
    z_gates, z_g = jnp.split(z, [self._gates], axis=-1)
    gates = sigmoid(z_gates)
    i, *o = (
      jnp.repeat(gate, self.block_size, axis=-1)  # one gate for each block
      for gate in jnp.split(gates, 1 + self.output_gate, axis=-1)
    )
    g, h = self._squashings()
    g = g(z_g)
    if noise is not None:
      g = g * noise
    c = state.c + i * g
    h = h(c)
    if self.output_gate:
      h = o[0] * h
    return LSTM1997State(h, c, gates)

  def _squashings(self):
    """Of the cell input, and of the output."""
    if self.logistic_input:
      return sigmoid, lambda c: c
    if self.wide_output:
      return lambda z: jnp.tanh(z / 2), lambda c: 2 * jnp.tanh(c / 2)
    return lambda z: 2 * jnp.tanh(z / 2), lambda c: jnp.tanh(c / 2)
