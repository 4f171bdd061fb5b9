"""Recurrent layers on top of each other."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from lstm_jax.array_types import Array, ArrayLike, Bool, Float, Int, State
from lstm_jax.cells.argument_checks import (
  as_array,
  as_floats,
  as_symbols,
  check_integer,
  nearest_symbol,
)
from lstm_jax.cells.base import Cell, is_symbols
from lstm_jax.cells.layer_norm import layer_norm
from lstm_jax.cells.short_repr import short
from lstm_jax.layers import recurrent_dropout
from lstm_jax.layers.dropout import (
  Dropout,
  NoiseKeys,
  check_keys,
  check_rates,
  dropout,
)
from lstm_jax.recurrence.directions import run_both
from lstm_jax.recurrence.inputs import check_state, takes_context
from lstm_jax.recurrence.scan import Noise
from lstm_jax.recurrence.unroll import Options, run, unroll


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

  Raises:
    ValueError: there is no cell, input_size is not 1 or more, or a rate no
      probability.
  """

  def __init__(
    self,
    cells: Sequence[Cell],
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
    if not cells:
      raise ValueError("cells must be one for each layer, got none")
    check_integer("input_size", input_size)
    check_rates(rates)
    self.cells = tuple(cells)
    self.input_size = input_size
    self.residual = residual
    self.sum_layers = sum_layers
    self.bidirectional = bidirectional
    self.rates = rates
    self.draws_in_recurrence = any(
      getattr(rates, name) for name in recurrent_dropout.RATES
    )
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
    symbols = nearest_symbol(symbols, size)
    return symbols if plain else jax.nn.one_hot(symbols, size, dtype=dtype)

  def initial_state(
    self, batch: int, dtype: Any = "float32"
  ) -> tuple[State, ...]:
    """The state of each layer; of both directions where there are two."""

    def both(cell):
      return tuple(cell.initial_state(batch, dtype) for _ in range(2))

    if self.bidirectional:
      return tuple(map(both, self.cells))
    return tuple(cell.initial_state(batch, dtype) for cell in self.cells)

  def __call__(
    self, x, state=None, *, keys: NoiseKeys | None = None, **arguments
  ) -> tuple[Float[Array, "b t ..."], tuple[State, ...]]:
    """`layer_outputs`, whose arguments it takes, and `drop_outputs`."""
    x, state = self.layer_outputs(x, state, keys=keys, **arguments)
    return self.drop_outputs(x, keys), state

  def drop_outputs(
    self, x: Float[Array, "b t ..."], keys: NoiseKeys | None
  ) -> Float[Array, "b t ..."]:
    if keys is None or not self.rates.output:
      return x
    last = keys.fold_in(len(self.cells))
    return dropout(x, self.rates.output, last, self.rates.locked)

  def layer_outputs(
    self,
    x: ArrayLike,
    state: Any = None,
    *,
    context: Any = None,
    mask: ArrayLike | None = None,
    reset: ArrayLike | None = None,
    keys: NoiseKeys | None = None,
  ) -> tuple[Float[Array, "b t ..."], tuple[State, ...]]:
    """Outputs of the last layer and the final state of every layer.

    x: numbers [b t d], images [b t y x d] for cells of these, or symbols [b t]
      as one-hot vectors for the first layer.
    state: as it was returned, one of each layer; None is the initial one.
    context: as in `unroll`, for the layers whose cells take one.
    mask, reset: as in `unroll`.
    keys: draw the noise; None turns it off.

    Raises:
      ValueError: the state is not one of each layer, `keys` are not one a row,
        no layer takes the context, or for what `unroll` raises it.
    """
    x = as_array("x", x)
    if is_symbols(x) and x.ndim == 2:
      x = as_symbols("x", x, self.input_size, mask=mask)
      x = self.take_symbols(x, self.input_size, "float32")
    else:
      x = as_floats("x", x, jax.tree.leaves(nnx.state(self.layers))[0].dtype)
    if keys is not None:
      check_keys(keys, x.shape[0])
    if context is not None and not any(map(takes_context, self.cells)):
      raise ValueError(f"context: no layer takes one, got {short(context)}")
    state = self._check_state(state, x.shape[0])
    return self._run(unroll, x, state, context, mask, reset, keys)

  def run(
    self,
    x: Float[Array, "b t ..."] | Int[Array, "b t"],
    state: tuple[State, ...] | None = None,
    *,
    context: Any = None,
    mask: Bool[Array, "b t"] | None = None,
    reset: Bool[Array, "b t"] | None = None,
    keys: NoiseKeys | None = None,
  ) -> tuple[Float[Array, "b t ..."], tuple[State, ...]]:
    """`layer_outputs` of arrays that are known to be of the right kinds and
    shapes, as those of a task's batch are; symbols as `take_symbols` gives
    them."""
    if state is None:
      state = self.initial_state(x.shape[0])
    return self._run(run, x, state, context, mask, reset, keys)

  def _run(self, run_cell, x, state, context, mask, reset, keys):
    rates, final = self.rates, []
    total: Any = 0.0
    for number, (cell, layer, before) in enumerate(
      zip(self.cells, self.layers, state, strict=True)
    ):
      rate = rates.between if number else rates.input
      here = None
      if keys is not None and (rate or self.draws_in_recurrence):
        here = keys.fold_in(number)
      if rate:
        x = dropout(x, rate, here, rates.locked)
      reads = context is not None and takes_context(cell)
      y, after = self.run_layer(
        *(run_cell, cell, layer, x, before, here),
        context=context if reads else None,
        mask=mask,
        reset=reset,
      )
      x = x + y if self.residual and x.shape == y.shape else y
      final.append(after)
      total = total + x if self.sum_layers else x
    if hasattr(self, "gain"):
      total = layer_norm(total, self.gain[...]).astype(total.dtype)
    return total, tuple(final)

  def _check_state(self, state, batch):
    if state is None:
      return self.initial_state(batch)

    def of(cell, each, name):
      if not self.bidirectional:
        return check_state(name, cell, batch, each)
      pair = _count(name, each, 2, "one of each direction")
      return tuple(
        check_state(f"{name}[{k}]", cell, batch, s) for k, s in enumerate(pair)
      )

    layers = _count("state", state, len(self.cells), "one of each layer")
    pairs = enumerate(zip(self.cells, layers, strict=True))
    return tuple(of(cell, s, f"state[{n}]") for n, (cell, s) in pairs)

  def run_layer(
    self,
    run_cell: Callable,
    cell: Cell,
    layer: Any,
    x: Any,
    state: Any,
    keys: NoiseKeys | None,
    **arguments,
  ):
    """Outputs and final state of one layer, with noise of its own.

    run_cell: `unroll`, or `run` where nothing is to be checked.
    """
    arguments["options"] = self.options

    def draw(layer, state, number):
      params = {name: param[...] for name, param in layer.items()}
      if not self.draws_in_recurrence:
        return params, Noise()
      here = keys and keys.fold_in(1 + number)
      return recurrent_dropout.draw(
        self.rates, cell, params, state, x.shape[1], here
      )

    if not self.bidirectional:
      params, noise = draw(layer, state, 0)
      return run_cell(cell, params, x, state, noise=noise, **arguments)
    params, noise = zip(*map(draw, layer, state, (0, 1)), strict=True)
    return run_both(
      run_cell, (cell, cell), params, x, state, noise, **arguments
    )


def _count(name, states, count, what):
  """Raises ValueError unless there are so many states."""
  if type(states) not in (tuple, list) or len(states) != count:
    raise ValueError(f"{name} must be {what}, {count}, got {short(states)}")
  return states
