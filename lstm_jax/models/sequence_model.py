"""A recurrent network with a linear map on top, for sequences of symbols or of
numbers: the network of most tasks on long-range dependencies."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
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
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout, NoiseKeys
from lstm_jax.layers.embedding import lookup
from lstm_jax.layers.pooling import POOLINGS, AttentionPooling, pool
from lstm_jax.layers.stack import Stack
from lstm_jax.likelihoods.registry import LIKELIHOODS
from lstm_jax.models.base import Keys, Output
from lstm_jax.models.config import RecurrentConfig
from lstm_jax.recurrence.unroll import Options
from lstm_jax.tasks.base import Spec, TaskConfig

OUTPUTS = ("linear", "logistic")


class SequenceModel(nnx.Module):
  """Inputs, recurrent layers, output units.

  symbols: inputs are symbols below input_size, as one-hot vectors; otherwise
    they are input_size numbers.
  embedding_size: with symbols, embed them; 0 is one-hot.
  likelihood: what the outputs say, one of LIKELIHOODS.
  output: "linear" or "logistic" units, these for "squared_error".
  output_bias: whether those have one.
  input_size: of images (y, x, d); the cells are then those of images, and the
    output units read the mean of the last layer's over all places.
  skip: the output units see the inputs as well as the last layer.
  output_scale: their weights start as U(±output_scale); 0 is LeCun uniform
    and no bias.
  bidirectional: as in `Stack`.
  pooling: "none", one of `POOLINGS` or "attention": one output for a sequence,
    said at every step. What is masked has no part in it.

  Raises:
    ValueError: a size is out of range, `output` or `pooling` unknown, or `skip`
      has no input of a step to see.
  """

  def __init__(
    self,
    cells: Sequence[Cell],
    *,
    input_size: int | tuple[int, int, int],
    output_size: int,
    symbols: bool,
    embedding_size: int = 0,
    likelihood: str = "cross_entropy",
    output: str = "linear",
    output_bias: bool = True,
    skip: bool = False,
    output_scale: float = 0.0,
    bidirectional: bool = False,
    pooling: str = "none",
    residual: bool = False,
    output_norm: bool = False,
    rates: Dropout = Dropout(),
    dtype: str = "float32",
    options: Options = Options(),
    rngs: nnx.Rngs,
  ):
    shape = input_size if isinstance(input_size, tuple) else (input_size,)
    for size in shape:
      check_integer("input_size", size)
    check_integer("output_size", output_size)
    check_integer("embedding_size", embedding_size, 0)
    check_number("output_scale", output_scale, 0)
    if output not in OUTPUTS:
      raise ValueError(f"output must be one of {OUTPUTS}, got {output!r}")
    if pooling not in ("none", *POOLINGS, "attention"):
      raise ValueError(f"pooling must be none, attention or one of {POOLINGS}")
    if skip and (pooling != "none" or len(shape) > 1):
      raise ValueError("skip is for vectors without a pooling")
    width, embedding = shape[-1], None
    if symbols and embedding_size:
      width = embedding_size
      embedding = nnx.Param(
        initializers.uniform(rngs.params(), (shape[0], width), 0.1)
      )
    self.embedding = embedding
    self.stack = Stack(
      cells,
      width,
      residual=residual,
      output_norm=output_norm,
      bidirectional=bidirectional,
      rates=rates,
      options=options,
      rngs=rngs,
    )
    self.symbols, self.input_shape, self.pooling = symbols, shape, pooling
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
    if pooling == "attention":
      self.attention = AttentionPooling(self.stack.output_size, rngs=rngs)

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

    inputs: symbols [b t], numbers [b t d], or images [b t y x d].
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
    if features.ndim > 3:  # images
      features = features.mean((2, 3))
    if self.pooling != "none":
      features = self._pool(features, mask)
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

  def _pool(self, features, mask):
    """One row of features for all steps of each sequence."""
    if self.pooling == "attention":
      one, _ = self.attention(features, mask)
    else:
      one = pool(self.pooling, features, mask)
    return jnp.broadcast_to(one[:, None], (*features.shape[:2], one.shape[-1]))

  def _inputs(self, inputs, mask):
    if self.symbols:
      return as_symbols("inputs", inputs, self.input_shape[0], mask=mask)
    x = as_floats("inputs", inputs, self.dtype)
    if x.shape[2:] != self.input_shape:
      wanted = ", ".join(map(str, self.input_shape))
      raise ValueError(f"inputs must be [batch, time, {wanted}], got {x.shape}")
    return x

  def _embed(self, inputs):
    """What the first layer reads."""
    if not self.symbols:
      return inputs.astype(self.dtype)
    if self.embedding is not None:
      return lookup(self.embedding[...], inputs).astype(self.dtype)
    return self.stack.take_symbols(inputs, self.input_shape[0], self.dtype)


@dataclasses.dataclass(slots=True)
class SequenceModelConfig(RecurrentConfig):
  CHOICES: ClassVar = RecurrentConfig.CHOICES | {
    "output": OUTPUTS,
    "pooling": ("none", *POOLINGS, "attention"),
  }
  RANGES: ClassVar = RecurrentConfig.RANGES | {
    "embedding_size": (0, 10**6),
    "output_scale": (0, 100),
  }
  READS: ClassVar = ("tokens", "frames")

  name: str = "sequence_model"
  # width of an embedding of symbols; 0 is one-hot vectors
  embedding_size: int = 0
  # units that give the output: "linear", or "logistic" for squared_error
  output: str = "linear"
  # they have biases
  output_bias: bool = True
  # the output units see the inputs besides the last layer
  skip: bool = False
  # their weights and biases start as U(-output_scale, output_scale); 0 is LeCun
  # uniform, with biases of 0
  output_scale: float = 0.0
  # each layer is two of its cell, one of which reads the sequence backwards
  # (Schuster & Paliwal 1997); hidden_sizes are of one direction
  bidirectional: bool = False
  # "last", "mean", "max" or "attention" (Yang et al. 2016): one output for a
  # sequence, from what the last layer says of all its steps; it is said at each
  # step that is asked for
  pooling: str = "none"

  def check(self, task: TaskConfig):
    RecurrentConfig.check(self, task)
    if self.bidirectional and task.asks == "next":
      raise ConfigError(
        f'model.bidirectional: the task "{task.name}" asks for the next input,'
        " which a layer that runs backwards has read; set it to false"
      )
    if self.pooling != "none" and task.asks != "one":
      raise ConfigError(
        f'model.pooling: the task "{task.name}" asks for several answers of a'
        ' sequence, and there would be one; set it to "none"'
      )
    if self.pooling != "none" and self.skip:
      raise ConfigError(
        "model.skip: with a model.pooling the output units see no single step;"
        " set it to false"
      )
    if self.embedding_size and task.family == "frames":
      raise ConfigError(
        "model.embedding_size: the task's inputs are numbers, not symbols;"
        " set it to 0"
      )

  def unread(self, task: TaskConfig) -> dict[str, str]:
    why = "a sequence_model drops no rows of its embedding"
    return RecurrentConfig.unread(self, task) | {"dropout.embedding": why}

  def build(self, spec: Spec, rngs: nnx.Rngs) -> SequenceModel:
    images = isinstance(spec.inputs, tuple)
    self._check_images(images)
    if images and self.skip:
      raise ConfigError("model.skip: the inputs are images; set it to false")
    return SequenceModel(
      self.cells(spec.inputs[:2]) if images else self.cells(),
      input_size=spec.inputs,
      output_size=spec.outputs,
      symbols=spec.family == "tokens",
      embedding_size=self.embedding_size,
      likelihood=spec.likelihood,
      output=self.output,
      output_bias=self.output_bias,
      skip=self.skip,
      output_scale=self.output_scale,
      bidirectional=self.bidirectional,
      pooling=self.pooling,
      **self._shared(),
      rngs=rngs,
    )
