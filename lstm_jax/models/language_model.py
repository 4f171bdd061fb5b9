"""A recurrent language model: embedding, stack of recurrent layers, softmax.

Mikolov et al. 2010, "Recurrent neural network based language model", with the
stack and dropout of Zaremba et al. 2014; sharing the embedding with the softmax
is from Press & Wolf 2017 and Inan et al. 2017. `layers/heads.py` and
`layers/penalties.py` have what later papers added.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from lstm_jax.array_types import Array, ArrayLike, Float, Int, State
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import (
  as_symbols,
  check_integer,
  check_number,
)
from lstm_jax.cells.base import Cell, options_of
from lstm_jax.data.inputs import Tokens
from lstm_jax.errors import ConfigError
from lstm_jax.layers import adaptive_softmax, embedding
from lstm_jax.layers.adaptive_softmax import AdaptiveSoftmax
from lstm_jax.layers.dropout import (
  Dropout,
  NoiseKeys,
  embedding_dropout,
  keep_rows,
)
from lstm_jax.layers.heads import Head, MixtureOfSoftmaxes, Softmax
from lstm_jax.layers.penalties import activation_penalty
from lstm_jax.layers.stack import Stack
from lstm_jax.likelihoods.categorical import OfFeatures
from lstm_jax.models.base import Keys, Output
from lstm_jax.models.config import RecurrentConfig
from lstm_jax.recurrence.unroll import Options
from lstm_jax.tasks.base import Spec, TaskConfig

_NO_EMBEDDING = "there is no embedding; set model.embedding_size"


class LanguageModel(nnx.Module):
  """p(token_{t+1} | token_1 ... token_t) for token numbers below v.

  embedding_size: width of the input embedding, 0 for one-hot vectors; with
    `head.tied` it must equal the hidden size of the last layer, unless the head
    changes it.
  init_scale: every parameter starts as U(±init_scale), as in Zaremba
    et al. 2014; 0 leaves each layer its own way.
  residual: add each layer's input to its output, where they are of one width.
  sum_layers: the softmax reads the sum of all layers' outputs.
  output_norm: what it reads is layer-normalised.
  dtype: the type that products are computed in; parameters, sums and states
    are float32.
  options: `backward="autodiff"` is for the whole model.

  Raises:
    ValueError: a size or rate is out of range, or a tied softmax does not fit.
  """

  def __init__(
    self,
    cells: Sequence[Cell],
    *,
    vocabulary_size: int,
    embedding_size: int,
    head: Head = Head(),
    init_scale: float = 0.0,
    residual: bool = False,
    output_norm: bool = False,
    sum_layers: bool = False,
    rates: Dropout = Dropout(),
    dtype: str = "float32",
    options: Options = Options(),
    rngs: nnx.Rngs,
  ):
    check_integer("vocabulary_size", vocabulary_size)
    check_integer("embedding_size", embedding_size, 0)
    check_number("init_scale", init_scale, 0)
    self.stack = Stack(
      cells,
      embedding_size or vocabulary_size,
      residual=residual,
      output_norm=output_norm,
      sum_layers=sum_layers,
      rates=rates,
      options=options,
      rngs=rngs,
    )
    self.vocabulary_size = vocabulary_size
    self.feature_size = self.stack.output_size
    self.head = head
    self.dtype = dtype
    h, v, e = self.stack.output_size, vocabulary_size, embedding_size
    width = e if head.project or head.experts else h
    if head.tied and e != width:
      raise ValueError(
        f"a tied softmax needs embedding_size {e} to equal the last hidden"
        f" size {h}"
      )
    if e:
      self.embedding = nnx.Param(
        initializers.uniform(rngs.params(), (v, e), 0.1)
      )
    if head.cutoffs:
      self.adaptive = nnx.Dict(
        {
          name: nnx.Param(value)
          for name, value in adaptive_softmax.init(
            rngs.params(), h, v, head.cutoffs
          ).items()
        }
      )
    elif not head.tied:
      self.softmax_w = nnx.Param(
        initializers.lecun_uniform(rngs.params(), (width, v))
      )
    if head.project:
      self.projection = nnx.Param(
        initializers.lecun_uniform(rngs.params(), (h, e))
      )
    if head.experts:
      self.prior, self.latent_w = (
        nnx.Param(initializers.lecun_uniform(rngs.params(), (h, size)))
        for size in (head.experts, head.experts * e)
      )
      self.latent_b = nnx.Param(jnp.zeros(head.experts * e))
    if not head.cutoffs:
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
    """Reads a window of tokens [b t] from `state` (None: the initial one) on.

    mask, reset: as in `unroll`.
    keys: draw the noise; None turns it off.

    Raises:
      ValueError: the inputs are no tokens of the vocabulary, and as `unroll`.
    """
    inputs = as_symbols("inputs", inputs, self.vocabulary_size, mask=mask)
    layers = self.stack.layer_outputs
    return self._read(layers, inputs, state, mask, reset, keys)

  def _read(self, layers, inputs, state, mask, reset, keys):
    """layers: `stack.layer_outputs`, or `stack.run` where all is checked."""
    x = self.embed(inputs, keys and keys.fold_in(0))
    inside = keys and keys.fold_in(1)
    raw, state = layers(x, state, mask=mask, reset=reset, keys=inside)
    features = self.stack.drop_outputs(raw, inside)
    sizes = self.head.activation_l2, self.head.slowness_l2
    penalty = 0.0
    if keys is not None and any(sizes):
      each = activation_penalty(features, raw, *sizes, mask)
      penalty = (each if mask is None else each * mask).sum()
    head = self.make_head(keys and keys.fold_in(2))
    return Output(features, state, OfFeatures(features, head), penalty)

  def read(
    self, inputs: Tokens, state: Any = None, keys: Keys = Keys()
  ) -> Output:
    """A batch of a task, as `Model.read`."""
    x, mask, reset = inputs
    return self._read(self.stack.run, x, state, mask, reset, keys.noise)

  def start(
    self, inputs: Tokens
  ) -> tuple[tuple[()], tuple[State, ...], Int[Array, "b"]]:
    """For a search: no context, the state before the last symbol of each row,
    which are of one length, and this symbol."""
    return (), self(inputs.x[:, :-1]).state, inputs.x[:, -1]

  def step(
    self, context: tuple[()], state: tuple[State, ...], symbols: Int[Array, "b"]
  ) -> tuple[OfFeatures, tuple[State, ...]]:
    """What follows each of these symbols [b 1 v], and the state after them."""
    output = self(symbols[:, None], state)
    return output.likelihood, output.state

  @property
  def _fused(self) -> bool:
    return self.stack.options.backward == "fused"

  def embed(
    self, inputs: Int[Array, "b t"], keys: NoiseKeys | None
  ) -> Float[Array, "b t e"] | Int[Array, "b t"]:
    """What the first layer reads of tokens."""
    if not hasattr(self, "embedding"):
      return self.stack.take_symbols(inputs, self.vocabulary_size, self.dtype)
    rate = self.stack.rates.embedding
    table = embedding_dropout(self.embedding[...], rate, keys)
    lookup = embedding.lookup if self._fused else embedding.plain_lookup
    return lookup(table, inputs).astype(self.dtype)

  def make_head(
    self, keys: NoiseKeys | None
  ) -> Softmax | MixtureOfSoftmaxes | AdaptiveSoftmax:
    """What turns the last layer's outputs into likelihoods."""
    fused = self._fused
    if self.head.cutoffs:
      params = {name: p[...] for name, p in self.adaptive.items()}
      return AdaptiveSoftmax(params, self.head.cutoffs, fused)
    w = self.embedding[...].T if self.head.tied else self.softmax_w[...]
    b = self.softmax_b[...]
    if not self.head.experts:
      projection = self.projection[...] if self.head.project else None
      return Softmax(w, b, fused, projection)
    factors, rate = None, self.head.latent_dropout
    if keys is not None and rate:
      factors = keep_rows(keys.rows, rate, (1, self.latent_b.shape[0]))
    return MixtureOfSoftmaxes(
      w,
      b,
      self.prior[...],
      self.latent_w[...],
      self.latent_b[...],
      fused,
      factors,
    )


@dataclasses.dataclass(slots=True)
class LanguageModelConfig(RecurrentConfig):
  RANGES: ClassVar = RecurrentConfig.RANGES | {
    "embedding_size": (0, 10**6),
    "init_scale": (0, 100),
    "experts": (0, 10**4),
    "cutoffs": (1, 10**9),
    "latent_dropout": (0, 0.99),
    "activation_l2": (0, 10**6),
    "slowness_l2": (0, 10**6),
  }
  READS: ClassVar = ("text",)

  name: str = "language_model"
  # 0 is none: one-hot vectors
  embedding_size: int = 64
  # share the embedding with the softmax
  tied: bool = False
  # a linear map from the last layer to the embedding's width, below the softmax
  project: bool = False
  # the softmax reads the sum of all layers' outputs, which are of one width
  sum_layers: bool = False
  # softmaxes that are mixed, each on features of the embedding's width, and the
  # dropout of these (Yang et al. 2018); 0 is one plain softmax
  experts: int = 0
  latent_dropout: float = 0.0
  # adaptive softmax, for large vocabularies: the words, by frequency, at which
  # its clusters begin, as 20000,60000 (Grave et al. 2017); none is a plain one
  cutoffs: tuple[int, ...] = ()
  # penalties on the squares of the last layer's outputs, dropped, and of their
  # changes from step to step (AR and TAR, Merity et al. 2018)
  activation_l2: float = 0.0
  slowness_l2: float = 0.0
  # every parameter starts as U(-init_scale, init_scale); 0 leaves each layer
  # its own way
  init_scale: float = 0.0

  def check(self, task: TaskConfig):
    RecurrentConfig.check(self, task)
    last = self.cells()[-1].output_size
    if self.project and self.experts:
      raise ConfigError(
        "model.project: model.experts have a projection of their own; set it to"
        " false"
      )
    for name in ("tied", "project", "experts"):
      if getattr(self, name) and not self.embedding_size:
        raise ConfigError(f"model.{name}: {_NO_EMBEDDING}")
    if self.cutoffs:
      if list(self.cutoffs) != sorted(set(self.cutoffs)):
        raise ConfigError("model.cutoffs: must rise, as 20000,60000")
      for name in ("tied", "project", "experts"):
        if getattr(self, name):
          raise ConfigError(f"model.{name}: does not go with model.cutoffs")
    widths = {cell.output_size for cell in self.cells()}
    if self.sum_layers and len(widths) > 1:
      raise ConfigError("model.sum_layers: the layers must be of one width")
    changed = self.project or self.experts
    if self.tied and self.embedding_size != last and not changed:
      raise ConfigError(
        f"model.tied: the embedding ({self.embedding_size}) must be as wide as"
        f" the last layer's output ({last}); set"
        f" model.embedding_size={last} or model.project=true"
      )

  def unread(self, task: TaskConfig) -> dict[str, str]:
    found = RecurrentConfig.unread(self, task)
    if self.init_scale:
      why = "model.init_scale draws every parameter; set it to 0 to choose this"
      for cell in self.cells():
        for name, field in options_of(cell).items():
          if field.metadata["option"].initial:
            found[f"options.{name}"] = why
    if not self.experts:
      found["latent_dropout"] = "there are no model.experts; set it to 0"
    if not self.embedding_size:
      found["dropout.input"] = found["dropout.embedding"] = _NO_EMBEDDING
    return found

  def build(self, spec: Spec, rngs: nnx.Rngs) -> LanguageModel:
    if self.cutoffs and self.cutoffs[-1] >= spec.outputs:
      raise ConfigError(
        f"model.cutoffs: must be below the vocabulary's {spec.outputs} words"
      )
    return LanguageModel(
      self.cells(),
      vocabulary_size=spec.outputs,
      embedding_size=self.embedding_size,
      head=Head(
        **{f.name: getattr(self, f.name) for f in dataclasses.fields(Head)}
      ),
      sum_layers=self.sum_layers,
      init_scale=self.init_scale,
      **self._shared(),
      rngs=rngs,
    )
