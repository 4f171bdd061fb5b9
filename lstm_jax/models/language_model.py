"""A recurrent language model: embedding, stack of recurrent layers, softmax.

Mikolov et al. 2010, "Recurrent neural network based language model", with the
stack and dropout of Zaremba et al. 2014; sharing the embedding with the softmax
is from Press & Wolf 2017 and Inan et al. 2017.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from lstm_jax import initializers
from lstm_jax.array_types import Array, Bool, Float, Int, State
from lstm_jax.cells.base import Cell
from lstm_jax.cells.split_lstm import SplitLSTM, gather
from lstm_jax.layers import embedding, softmax
from lstm_jax.layers.dropout import Dropout, NoiseKeys, embedding_dropout
from lstm_jax.layers.stack import Stack
from lstm_jax.recurrence import Options


@dataclasses.dataclass(frozen=True)
class Output:
  """What the model says about each position, made on demand."""

  features: Float[Array, "b t h"]  # outputs of the last layer
  state: tuple[State, ...]  # to continue the sequence with
  softmax_w: Float[Array, "h v"]
  softmax_b: Float[Array, "v"]
  fused: bool = True
  axis: str | None = None  # its devices share the vocabulary

  def logits(self) -> Float[Array, "b t v"]:
    """Unnormalised log-probabilities of the next token."""
    return softmax.logits(self.features, self.softmax_w, self.softmax_b)

  def nll(self, targets: Int[Array, "b t"]) -> Float[Array, "b t"]:
    """Negative log-likelihood of the targets in nats."""
    if self.axis:
      return softmax.split_cross_entropy(
        self.features, self.softmax_w, self.softmax_b, targets, self.axis
      )
    loss = softmax.cross_entropy if self.fused else softmax.plain_cross_entropy
    return loss(self.features, self.softmax_w, self.softmax_b, targets)


class LanguageModel(nnx.Module):
  """p(token_{t+1} | token_1 ... token_t) for token numbers below v.

  embedding_size: width of the input embedding; with `tied` it must equal the
    hidden size of the last layer.
  tied: the softmax weights are the embedding, transposed.
  init_scale: every parameter starts as U(±init_scale), as in Zaremba
    et al. 2014; 0 leaves each layer its own way.
  residual: add each layer's input to its output, where they are of one width.
  dtype: the type that products are computed in; parameters, sums and states
    are float32.
  options: `backward="autodiff"` is for the whole model.
  """

  def __init__(
    self,
    cells: list[Cell],
    *,
    vocabulary_size: int,
    embedding_size: int,
    tied: bool = False,
    init_scale: float = 0.0,
    residual: bool = False,
    rates: Dropout = Dropout(),
    dtype: str = "float32",
    options: Options = Options(),
    rngs: nnx.Rngs,
  ):
    self.stack = Stack(
      cells,
      embedding_size,
      residual=residual,
      rates=rates,
      options=options,
      rngs=rngs,
    )
    self.vocabulary_size = vocabulary_size
    self.tied = tied
    self.dtype = dtype
    self.axis = None
    h, v = cells[-1].output_size, vocabulary_size
    if tied and embedding_size != h:
      raise ValueError(
        f"a tied softmax needs embedding_size {embedding_size} to equal the"
        f" last hidden size {h}"
      )
    self.embedding = nnx.Param(
      initializers.uniform(rngs.params(), (v, embedding_size), 0.1)
    )
    if not tied:
      self.softmax_w = nnx.Param(
        initializers.lecun_uniform(rngs.params(), (h, v))
      )
    self.softmax_b = nnx.Param(jnp.zeros(v))
    if init_scale:
      self._draw_all(rngs.params(), init_scale)

  def _draw_all(self, key, scale):
    params = nnx.state(self, nnx.Param)
    leaves, structure = jax.tree.flatten(params)
    leaves = [
      initializers.uniform(jax.random.fold_in(key, number), leaf.shape, scale)
      for number, leaf in enumerate(leaves)
    ]
    nnx.update(self, jax.tree.unflatten(structure, leaves))

  def take_part(self, count: int, axis: str):
    """From now on computes what one of `count` devices computes, inside
    `jax.shard_map`, with that device's part of the parameters.

    Its state has the hidden units of this device, its outputs their likelihood
    alone. For layers of `LSTM` whose sizes the count divides.

    axis: of the mesh; its devices have the other parts.
    """
    self.axis = axis
    self.stack.cells = tuple(
      SplitLSTM(cell.hidden_size // count, axis=axis)
      for cell in self.stack.cells
    )

  def initial_state(self, batch: int) -> tuple[State, ...]:
    return self.stack.initial_state(batch)

  def __call__(
    self,
    inputs: Int[Array, "b t"],
    state: tuple[State, ...] | None = None,
    *,
    mask: Bool[Array, "b t"] | None = None,
    reset: Bool[Array, "b t"] | None = None,
    keys: NoiseKeys | None = None,
  ) -> Output:
    """Reads a window of tokens from `state` (None: the initial one) on.

    mask, reset: as in `unroll`.
    keys: draw the noise; None turns it off.
    """
    fused = self.stack.options.backward == "fused"
    table = self.embedding[...]
    here = keys and keys.fold_in(0)
    dropped = embedding_dropout(table, self.stack.rates.embedding, here)
    lookup = embedding.lookup if fused else embedding.plain_lookup
    x = lookup(dropped, inputs).astype(self.dtype)
    if self.axis:
      x = gather(x, self.axis)
    features, state = self.stack(
      x, state, mask=mask, reset=reset, keys=keys and keys.fold_in(1)
    )
    w = table.T if self.tied else self.softmax_w[...]
    b = self.softmax_b[...]
    if self.axis:
      w, b = softmax.own_columns(w, b, self.axis, self.vocabulary_size)
    return Output(features, state, w, b, fused, self.axis)


def parameter_count(params) -> int:
  return sum(leaf.size for leaf in jax.tree.leaves(params))
