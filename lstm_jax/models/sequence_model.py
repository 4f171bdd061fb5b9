"""A recurrent network with a linear map on top, for sequences of symbols or of
numbers: the network of most tasks on long-range dependencies."""

import dataclasses
from typing import Any

import jax
import optax
from flax import nnx

from lstm_jax.array_types import Array, ArrayLike, Float, State
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import (
  as_floats,
  as_symbols,
  check_integer,
  check_number,
  nearest_symbol,
)
from lstm_jax.cells.base import Cell, matmul
from lstm_jax.cells.short_repr import short
from lstm_jax.layers.dropout import Dropout, NoiseKeys
from lstm_jax.layers.embedding import lookup
from lstm_jax.layers.stack import Stack
from lstm_jax.recurrence.unroll import Options

OUTPUTS = ("linear", "logistic")


@dataclasses.dataclass(frozen=True)
class Output:
  """What the model says at each step, made on demand."""

  features: Float[Array, "b t h"]  # outputs of the last layer
  state: tuple[State, ...]
  z: Float[Array, "b t k"]  # inputs of the output units
  kind: str
  __repr__ = short

  def logits(self) -> Float[Array, "b t k"]:
    """Unnormalised log-probabilities of the classes, or of a 1 for each."""
    return self.z

  def values(self) -> Float[Array, "b t k"]:
    """Activations of the output units."""
    return jax.nn.sigmoid(self.z) if self.kind == "logistic" else self.z

  def nll(self, targets: ArrayLike) -> Float[Array, "b t"]:
    """Negative log-likelihood of the target classes in nats.

    Targets out of range are a ValueError where they are known, and inside jit
    the nearest class.
    """
    size = self.z.shape[-1]
    targets = as_symbols("targets", targets, size, self.z.shape[:-1])
    targets = nearest_symbol(targets, size)
    return optax.losses.softmax_cross_entropy_with_integer_labels(
      self.z, targets
    )


class SequenceModel(nnx.Module):
  """Inputs, recurrent layers, output units.

  symbols: inputs are symbols below input_size, as one-hot vectors; otherwise
    they are input_size numbers.
  embedding_size: with symbols, embed them; 0 is one-hot.
  output: "linear" or "logistic" units, for losses that read their values.
  output_bias: whether those have one.
  skip: the output units see the inputs as well as the last layer.
  output_scale: their weights start as U(±output_scale); 0 is LeCun uniform
    and no bias.

  Raises:
    ValueError: a size is out of range, or `output` unknown.
  """

  def __init__(
    self,
    cells: list[Cell],
    *,
    input_size: int,
    output_size: int,
    symbols: bool,
    embedding_size: int = 0,
    output: str = "linear",
    output_bias: bool = True,
    skip: bool = False,
    output_scale: float = 0.0,
    residual: bool = False,
    output_norm: bool = False,
    rates: Dropout = Dropout(),
    dtype: str = "float32",
    options: Options = Options(),
    rngs: nnx.Rngs,
  ):
    check_integer("input_size", input_size)
    check_integer("output_size", output_size)
    check_integer("embedding_size", embedding_size, 0)
    check_number("output_scale", output_scale, 0)
    if output not in OUTPUTS:
      raise ValueError(f"output must be one of {OUTPUTS}, got {output!r}")
    width, embedding = input_size, None
    if symbols and embedding_size:
      width = embedding_size
      embedding = nnx.Param(
        initializers.uniform(rngs.params(), (input_size, width), 0.1)
      )
    self.embedding = embedding
    self.stack = Stack(
      cells,
      width,
      residual=residual,
      output_norm=output_norm,
      rates=rates,
      options=options,
      rngs=rngs,
    )
    self.symbols, self.input_size = symbols, input_size
    self.output, self.dtype = output, dtype

    def weights(rows, columns):
      shape, key = (rows, columns), rngs.params()
      if output_scale:
        return nnx.Param(initializers.uniform(key, shape, output_scale))
      return nnx.Param(initializers.lecun_uniform(key, shape))

    k = output_size
    self.output_w = weights(self.stack.output_size, k)
    output_b = nnx.Param(weights(1, k)[0] * (output_scale > 0))
    self.output_b = output_b if output_bias else None
    self.skip_w = weights(width, k) if skip else None

  def initial_state(self, batch: int) -> tuple[State, ...]:
    return self.stack.initial_state(batch)

  def __call__(
    self,
    inputs: ArrayLike,
    state: Any = None,
    *,
    mask: ArrayLike | None = None,
    reset: ArrayLike | None = None,
    keys: NoiseKeys | None = None,
  ) -> Output:
    """Reads sequences from `state` (None: the initial one) on.

    inputs: symbols [b t], or numbers [b t input_size].
    mask, reset: as in `unroll`.
    keys: draw the noise; None turns it off.

    Raises:
      ValueError: the inputs are not these, and as `unroll`.
    """
    x = self._inputs(inputs, mask)
    features, state = self.stack(x, state, mask=mask, reset=reset, keys=keys)
    z = matmul(features, self.output_w[...])
    if self.skip_w is not None:
      z = z + matmul(x, self.skip_w[...])
    if self.output_b is not None:
      z = z + self.output_b[...]
    return Output(features, state, z, self.output)

  def _inputs(self, inputs, mask):
    if not self.symbols:
      x = as_floats("inputs", inputs, self.dtype)
      if x.ndim != 3 or x.shape[-1] != self.input_size:
        raise ValueError(
          f"inputs must be [batch, time, {self.input_size}], got {x.shape}"
        )
      return x.astype(self.dtype)
    inputs = as_symbols("inputs", inputs, self.input_size, mask=mask)
    if self.embedding is not None:
      return lookup(self.embedding[...], inputs).astype(self.dtype)
    return self.stack.take_symbols(inputs, self.input_size, self.dtype)
