"""A recurrent network with a linear map on top, for sequences of symbols or of
numbers: the network of most tasks on long-range dependencies."""

from typing import Any

import jax
from flax import nnx

from lstm_jax.array_types import ArrayLike, State
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import (
  as_floats,
  as_symbols,
  check_integer,
  check_number,
)
from lstm_jax.cells.base import Cell, matmul
from lstm_jax.data.inputs import Frames, Tokens
from lstm_jax.layers.dropout import Dropout, NoiseKeys
from lstm_jax.layers.embedding import lookup
from lstm_jax.layers.stack import Stack
from lstm_jax.likelihoods.registry import LIKELIHOODS
from lstm_jax.models.base import Keys, Output
from lstm_jax.recurrence.unroll import Options

OUTPUTS = ("linear", "logistic")


class SequenceModel(nnx.Module):
  """Inputs, recurrent layers, output units.

  symbols: inputs are symbols below input_size, as one-hot vectors; otherwise
    they are input_size numbers.
  embedding_size: with symbols, embed them; 0 is one-hot.
  likelihood: what the outputs say, one of LIKELIHOODS.
  output: "linear" or "logistic" units, these for "squared_error".
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
    likelihood: str = "cross_entropy",
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
    self.likelihood, self.output, self.dtype = likelihood, output, dtype

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
    layers, x = self.stack.layer_outputs, self._inputs(inputs, mask)
    return self._read(layers, x, state, mask, reset, keys)

  def _read(self, layers, x, state, mask, reset, keys):
    """layers: `stack.layer_outputs`, or `stack.run` where all is checked."""
    x = self._embed(x)
    features, state = layers(x, state, mask=mask, reset=reset, keys=keys)
    features = self.stack.drop_outputs(features, keys)
    z = matmul(features, self.output_w[...])
    if self.skip_w is not None:
      z = z + matmul(x, self.skip_w[...])
    if self.output_b is not None:
      z = z + self.output_b[...]
    if self.output == "logistic":
      z = jax.nn.sigmoid(z)
    return Output(features, state, LIKELIHOODS[self.likelihood](z))

  def read(
    self, inputs: Tokens | Frames, state: Any = None, keys: Keys = Keys()
  ) -> Output:
    """A batch of a task, as `Model.read`."""
    reset = getattr(inputs, "reset", None)
    x, mask = inputs[:2]
    return self._read(self.stack.run, x, state, mask, reset, keys.noise)

  def _inputs(self, inputs, mask):
    if self.symbols:
      return as_symbols("inputs", inputs, self.input_size, mask=mask)
    x = as_floats("inputs", inputs, self.dtype)
    if x.ndim != 3 or x.shape[-1] != self.input_size:
      raise ValueError(
        f"inputs must be [batch, time, {self.input_size}], got {x.shape}"
      )
    return x

  def _embed(self, inputs):
    """What the first layer reads."""
    if not self.symbols:
      return inputs.astype(self.dtype)
    if self.embedding is not None:
      return lookup(self.embedding[...], inputs).astype(self.dtype)
    return self.stack.take_symbols(inputs, self.input_size, self.dtype)
