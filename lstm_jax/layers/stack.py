"""Recurrent layers on top of each other."""

import jax
import jax.numpy as jnp
from flax import nnx

from lstm_jax.array_types import Array, Bool, Float, Int, State
from lstm_jax.cells.base import Cell
from lstm_jax.cells.layer_norm import layer_norm
from lstm_jax.cells.split_lstm import SplitLSTM, gather
from lstm_jax.layers import recurrent_dropout
from lstm_jax.layers.dropout import Dropout, NoiseKeys, dropout
from lstm_jax.recurrence import Options, bidirectional, unroll


class Stack(nnx.Module):
  """Layer l reads the outputs of layer l - 1; layers may be of any cells.

  residual: a layer's input is added to its output wherever the two are of one
    width (He et al. 2016; Wu et al. 2016).
  sum_layers: the output is the sum of all layers' outputs, which must be of one
    width (Melis et al. 2018).
  output_norm: the output is layer-normalised, with a gain, as residual layers
    that normalise their own inputs need it (Beck et al. 2024).
  bidirectional: each layer is two of its cell, one of which runs backwards
    inside every length and document (Schuster & Paliwal 1997). Its outputs lie
    side by side, so that a layer of h units gives 2h features.
  """

  def __init__(
    self,
    cells: list[Cell],
    input_size: int,
    *,
    residual: bool = False,
    sum_layers: bool = False,
    output_norm: bool = False,
    bidirectional: bool = False,
    rates: Dropout = Dropout(),
    options: Options = Options(),
    rngs: nnx.Rngs,
  ):
    self.cells = tuple(cells)
    self.residual = residual
    self.sum_layers = sum_layers
    self.bidirectional = bidirectional
    self.rates = rates
    self.options = options
    widths = [(1 + bidirectional) * cell.output_size for cell in cells]
    self.output_size = widths[-1]
    if output_norm:
      self.gain = nnx.Param(jnp.ones(self.output_size))
    self.layers = nnx.List(
      [
        self._layer(cell, size, rngs)
        for cell, size in zip(cells, [input_size, *widths[:-1]], strict=True)
      ]
    )

  def _layer(self, cell, input_size, rngs):
    def parameters():
      params = cell.init(rngs.params(), input_size)
      return nnx.Dict(jax.tree.map(nnx.Param, params))

    if self.bidirectional:
      return nnx.List([parameters(), parameters()])
    return parameters()

  def take_symbols(
    self, symbols: Int[Array, "b t"], size: int, dtype: str
  ) -> Int[Array, "b t"] | Float[Array, "b t d"]:
    """Symbols below `size` as the first layer can read them: as they are, where
    it looks up the row of weights that a one-hot vector would pick, else as
    one-hot vectors."""
    plain = (
      "w_x" in self.layers[0]
      and self.options.engine != "cudnn"
      and dtype == "float32"
      and not (self.rates.input or self.residual)
    )
    return symbols if plain else jax.nn.one_hot(symbols, size, dtype=dtype)

  def initial_state(self, batch: int, dtype="float32") -> tuple[State, ...]:
    """The state of each layer; of both directions where there are two."""
    states = [cell.initial_state(batch, dtype) for cell in self.cells]
    return tuple((s, s) if self.bidirectional else s for s in states)

  def __call__(
    self, x, state=None, *, keys: NoiseKeys | None = None, **arguments
  ) -> tuple[Float[Array, "b t h"], tuple[State, ...]]:
    """`layer_outputs`, whose arguments it takes, and `drop_outputs`."""
    x, state = self.layer_outputs(x, state, keys=keys, **arguments)
    return self.drop_outputs(x, keys), state

  def drop_outputs(
    self, x: Float[Array, "b t h"], keys: NoiseKeys | None
  ) -> Float[Array, "b t h"]:
    last = keys and keys.fold_in(len(self.cells))
    return dropout(x, self.rates.output, last, self.rates.locked)

  def layer_outputs(
    self,
    x: Float[Array, "b t d"] | Int[Array, "b t"],
    state: tuple[State, ...] | None = None,
    *,
    mask: Bool[Array, "b t"] | None = None,
    reset: Bool[Array, "b t"] | None = None,
    keys: NoiseKeys | None = None,
  ) -> tuple[Float[Array, "b t h"], tuple[State, ...]]:
    """Outputs of the last layer and the final state of every layer.

    x: numbers, or symbols for the first layer as one-hot vectors.
    mask, reset: as in `unroll`.
    keys: draw the noise; None turns it off.
    """
    if state is None:
      state = self.initial_state(x.shape[0])
    rates, final, total = self.rates, [], 0.0
    for number, (cell, layer, before) in enumerate(
      zip(self.cells, self.layers, state, strict=True)
    ):
      here = keys and keys.fold_in(number)
      rate = rates.between if number else rates.input
      if rate:
        x = dropout(x, rate, here, rates.locked)
      y, after = self._run(cell, layer, x, before, here, mask=mask, reset=reset)
      if isinstance(cell, SplitLSTM):
        y = gather(y, cell.axis)
      x = x + y if self.residual and x.shape == y.shape else y
      final.append(after)
      total = total + x if self.sum_layers else x
    if hasattr(self, "gain"):
      total = layer_norm(total, self.gain[...]).astype(total.dtype)
    return total, tuple(final)

  def _run(self, cell, layer, x, state, keys, **arguments):
    arguments["options"] = self.options

    def draw(layer, state, number):
      params = {name: param[...] for name, param in layer.items()}
      here = keys and keys.fold_in(1 + number)
      return recurrent_dropout.draw(
        self.rates, cell, params, state, x.shape[1], here
      )

    if not self.bidirectional:
      params, noise = draw(layer, state, 0)
      return unroll(cell, params, x, state, noise=noise, **arguments)
    params, noise = zip(*map(draw, layer, state, (0, 1)), strict=True)
    return bidirectional(
      (cell, cell), params, x, state, noise=noise, **arguments
    )
