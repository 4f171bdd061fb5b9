"""A feed-forward network on a window: it sees the last inputs and no more.

The time-window perceptron that LSTMs are compared with (Gers, Eck & Schmidhuber
2001, "Applying LSTM to time series predictable through time-window approaches",
ICANN); of words, with an embedding of each, the neural language model of
Bengio, Ducharme, Vincent & Jauvin 2003, "A neural probabilistic language
model", JMLR 3. What lies further back than its window it cannot learn.
"""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from lstm_jax.array_types import Array, ArrayLike, Float, Int, Shaped
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import (
  as_flags,
  as_floats,
  as_symbols,
  check_integer,
)
from lstm_jax.data.inputs import Frames, Tokens
from lstm_jax.layers.dropout import Dropout, NoiseKeys, check_rates, dropout
from lstm_jax.layers.embedding import lookup
from lstm_jax.likelihoods.registry import LIKELIHOODS
from lstm_jax.models.base import Keys, ModelConfig, Output
from lstm_jax.tasks.base import Spec, TaskConfig

NONLINEARITIES = {"relu": jax.nn.relu, "tanh": jnp.tanh}
NOTHING = -1  # in place of a symbol, before the sequence's beginning
Before = tuple[Shaped[Array, "b n ..."], ...]  # the last inputs, or ()


def last_inputs(
  x: Shaped[Array, "b t ..."],
  before: Shaped[Array, "b n ..."],
  mask: ArrayLike | None = None,
  reset: ArrayLike | None = None,
) -> tuple[Shaped[Array, "b t m ..."], Shaped[Array, "b n ..."]]:
  """At every step the last m = n + 1 inputs, the oldest first, and `before` for
  the steps that follow.

  before: the n inputs before the first step. Before the beginning, and before a
    reset, there are NOTHINGs, or zeros for numbers.
  mask, reset: [b t], as in `unroll`; what a masked step gives is no window.

  Raises:
    ValueError: the mask or the resets are not [b t].
  """
  rows, time, n = *x.shape[:2], before.shape[1]
  mask, reset = (
    jnp.full((rows, time), usual) if flags is None else flags
    for flags, usual in (
      (as_flags("mask", mask, (rows, time)), True),
      (as_flags("reset", reset, (rows, time)), False),
    )
  )
  # A masked step at the end has the inputs before the steps that follow.
  live = jnp.pad(mask, ((0, 0), (n, 0)), constant_values=True)
  live = jnp.pad(live, ((0, 0), (0, 1)))
  document = jnp.pad(reset, ((0, 0), (n, 1))).cumsum(1)
  x = jnp.concatenate([before, x.astype(before.dtype)], 1)
  x = jnp.pad(x, [(0, 0), (0, 1), *[(0, 0)] * (x.ndim - 2)])
  places = jnp.argsort(~live, axis=1, stable=True)  # of the live inputs, first
  newest = live.cumsum(1)[:, n:] - 1  # how many are before it
  numbers = jnp.maximum(newest[..., None] - jnp.arange(n, -1, -1), 0)
  row = jnp.arange(rows)[:, None, None]
  chosen = places[row, numbers]
  here = document[row, chosen] == document[:, n:, None]
  here = here.reshape(*here.shape, *[1] * (x.ndim - 2))
  symbols = jnp.issubdtype(x.dtype, jnp.integer)
  windows = jnp.where(here, x[row, chosen], NOTHING if symbols else 0)
  return windows[:, :-1], windows[:, -1, 1:]


class WindowModel(nnx.Module):
  """Layers of units on the inputs of the last `window` steps, side by side.

  input_size, symbols, embedding_size, likelihood: as in `SequenceModel`.
  hidden_sizes: of each layer; none is a linear model.
  nonlinearity: of their units, one of NONLINEARITIES.
  rates: "input", of the window; "between" layers; "output", of the last.
  dtype: the type of products, where it is not that of the parameters.

  Raises:
    ValueError: a size or rate is out of range.
  """

  def __init__(
    self,
    *,
    input_size: int,
    output_size: int,
    symbols: bool,
    window: int,
    embedding_size: int = 0,
    hidden_sizes: tuple[int, ...] = (256,),
    nonlinearity: str = "relu",
    likelihood: str = "cross_entropy",
    rates: Dropout = Dropout(),
    dtype: str = "float32",
    rngs: nnx.Rngs,
  ):
    check_integer("input_size", input_size)
    check_integer("embedding_size", embedding_size, 0)
    check_integer("window", window)
    check_rates(rates)
    width, embedding = input_size, None
    if symbols and embedding_size:
      width, shape = embedding_size, (input_size, embedding_size)
      embedding = nnx.Param(initializers.uniform(rngs.params(), shape, 0.1))
    self.embedding = embedding
    sizes = [window * width, *hidden_sizes]
    self.hidden = nnx.List(
      [
        nnx.Linear(
          *pair,
          kernel_init=nnx.initializers.variance_scaling(
            2.0 if nonlinearity == "relu" else 1.0, "fan_in", "uniform"
          ),
          dtype=dtype,
          rngs=rngs,
        )
        for pair in zip(sizes, sizes[1:], strict=False)
      ]
    )
    self.output = nnx.Linear(
      sizes[-1],
      output_size,
      kernel_init=nnx.initializers.lecun_uniform(),
      rngs=rngs,
    )
    self.input_size = self.vocabulary_size = input_size
    self.feature_size = sizes[-1]
    self.symbols, self.window, self.rates = symbols, window, rates
    self.nonlinearity, self.likelihood = nonlinearity, likelihood
    self.dtype = dtype

  def initial_state(self, rows: int) -> Before:
    """What stands before the beginning; () where the window is one step."""
    before = self._nothing(rows)
    return (before,) if self.window > 1 else ()

  def _nothing(self, rows) -> Shaped[Array, "b n ..."]:
    if self.symbols:
      return jnp.full((rows, self.window - 1), NOTHING, jnp.int32)
    return jnp.zeros((rows, self.window - 1, self.input_size))

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
      ValueError: the inputs, the mask or the resets are not these.
    """
    if self.symbols:
      x = as_symbols("inputs", inputs, self.input_size, mask=mask)
    else:
      x = as_floats("inputs", inputs)
      if x.ndim != 3 or x.shape[-1] != self.input_size:
        raise ValueError(
          f"inputs must be [batch, time, {self.input_size}], got {x.shape}"
        )
    before = state[0] if state else self._nothing(len(x))
    windows, after = last_inputs(x, before, mask, reset)
    features = self._features(windows, keys)
    if mask is not None:
      inside = jnp.asarray(as_flags("mask", mask, x.shape[:2]))
      features = jnp.where(inside[..., None], features, 0)
    z = self.output(jnp.asarray(features)).astype("float32")
    state = (after,) if self.window > 1 else ()
    return Output(features, state, LIKELIHOODS[self.likelihood](z))

  def _features(self, windows, keys) -> Float[Array, "b t h"]:
    if self.embedding is not None:
      x = lookup(self.embedding[...], windows)
      x = jnp.where(windows[..., None] == NOTHING, 0, x)
    elif self.symbols:
      x = jax.nn.one_hot(windows, self.input_size)  # of nothing it is zeros
    else:
      x = windows
    x = x.astype(self.dtype).reshape(*x.shape[:2], math.prod(x.shape[2:]))
    rate, locked = self.rates.input, self.rates.locked
    for number, layer in enumerate(self.hidden):
      x = dropout(x, rate, keys and keys.fold_in(number), locked)
      x = NONLINEARITIES[self.nonlinearity](layer(x))
      rate = self.rates.between
    if self.hidden:
      rate = self.rates.output
    return dropout(x, rate, keys and keys.fold_in(len(self.hidden)), locked)

  def read(
    self, inputs: Tokens | Frames, state: Any = None, keys: Keys = Keys()
  ) -> Output:
    """A batch of a task, as `Model.read`."""
    reset = getattr(inputs, "reset", None)
    return self(inputs.x, state, mask=inputs.mask, reset=reset, keys=keys.noise)

  def start(self, inputs: Tokens) -> tuple[tuple[()], Before, Int[Array, "b"]]:
    """For a search: no context, the state before the last symbol of each row,
    which are of one length, and this symbol."""
    return (), self(inputs.x[:, :-1]).state, inputs.x[:, -1]

  def step(
    self, context: tuple[()], state: Before, symbols: Int[Array, "b"]
  ) -> tuple[Any, Before]:
    """What follows each of these symbols [b 1 v], and the state after them."""
    output = self(symbols[:, None], state)
    return output.likelihood, output.state


@dataclasses.dataclass(slots=True)
class WindowConfig(ModelConfig):
  CHOICES: ClassVar = ModelConfig.CHOICES | {
    "nonlinearity": tuple(NONLINEARITIES)
  }
  RANGES: ClassVar = ModelConfig.RANGES | {
    "window": (1, 10**5),
    "embedding_size": (0, 10**6),
  }
  READS: ClassVar = ("text", "tokens", "frames")

  name: str = "window"
  # how many steps it sees, the present one included
  window: int = 16
  # width of an embedding of symbols; 0 is one-hot vectors
  embedding_size: int = 64
  # of the hidden units: "relu" or "tanh"
  nonlinearity: str = "relu"

  def unread(self, task: TaskConfig) -> dict[str, str]:
    kinds = ("embedding", "recurrent", "cell_input", "weight")
    kinds += ("zoneout_h", "zoneout_c")
    why = "a feed-forward network has nothing it could act on"
    found = {f"dropout.{name}": why for name in kinds}
    unlocked = ("input", "between", "output")
    if not any(getattr(self.dropout, name) for name in unlocked):
      found["dropout.locked"] = "nothing is dropped"
    if len(self.hidden_sizes) < 2:
      found["dropout.between"] = "there is at most one layer"
    if not self.hidden_sizes:
      found["nonlinearity"] = found["dropout.output"] = "there is no layer"
    if task.family == "frames":
      found["embedding_size"] = "the task's inputs are numbers, not symbols"
    return found

  def build(self, spec: Spec, rngs: nnx.Rngs) -> WindowModel:
    return WindowModel(
      input_size=spec.inputs,
      output_size=spec.outputs,
      symbols=spec.family != "frames",
      window=self.window,
      embedding_size=self.embedding_size,
      hidden_sizes=self.hidden_sizes,
      nonlinearity=self.nonlinearity,
      likelihood=spec.likelihood,
      rates=dataclasses.replace(self.dropout),
      dtype=self.precision,
      rngs=rngs,
    )
