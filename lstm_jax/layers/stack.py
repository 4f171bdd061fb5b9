"""Recurrent layers on top of each other, with dropout between them."""

import jax
from flax import nnx

from lstm_jax.array_types import Array, Float, Key, State
from lstm_jax.cells.base import Cell
from lstm_jax.layers.dropout import dropout
from lstm_jax.recurrence import Options, unroll


class Stack(nnx.Module):
  """Layer l reads the outputs of layer l - 1.

  Dropout acts on what flows upwards, never on what flows through time
  (Zaremba et al. 2014): on the input of every layer and on the output of the
  last.
  """

  def __init__(
    self,
    cells: list[Cell],
    input_size: int,
    *,
    dropout_rate: float = 0.0,
    options: Options = Options(),
    rngs: nnx.Rngs,
  ):
    self.cells = tuple(cells)
    self.dropout_rate = dropout_rate
    self.options = options
    sizes = [input_size, *(cell.output_size for cell in cells[:-1])]
    self.layers = nnx.List(
      [
        nnx.Dict(jax.tree.map(nnx.Param, cell.init(rngs.params(), size)))
        for cell, size in zip(self.cells, sizes, strict=True)
      ]
    )

  def initial_state(self, batch: int, dtype="float32") -> tuple[State, ...]:
    return tuple(cell.initial_state(batch, dtype) for cell in self.cells)

  def __call__(
    self,
    x: Float[Array, "b t d"],
    state: tuple[State, ...] | None = None,
    *,
    key: Key[Array, ""] | None = None,
  ) -> tuple[Float[Array, "b t h"], tuple[State, ...]]:
    """Outputs of the last layer and the final state of every layer.

    key: draws the dropout masks; None turns dropout off.
    """
    if state is None:
      state = self.initial_state(x.shape[0], x.dtype)
    *keys, last_key = (
      [None] * (len(self.cells) + 1)
      if key is None
      else jax.random.split(key, len(self.cells) + 1)
    )
    final = []
    for cell, layer, before, k in zip(
      self.cells, self.layers, state, keys, strict=True
    ):
      params = {name: param[...] for name, param in layer.items()}
      x = dropout(x, self.dropout_rate, k)
      x, after = unroll(cell, params, x, before, options=self.options)
      final.append(after)
    return dropout(x, self.dropout_rate, last_key), tuple(final)
