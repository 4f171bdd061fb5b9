"""An encoder reads a sequence, a decoder says another one from it.

Sutskever, Vinyals & Le 2014, "Sequence to Sequence Learning with Neural
Networks", NeurIPS: the decoder starts from what the encoder ended with.
Bahdanau, Cho & Bengio 2015, "Neural Machine Translation by Jointly Learning to
Align and Translate", ICLR: at every step it also reads what the encoder said of
each symbol, as much of each as it attends to (`cells/attending.py`).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from lstm_jax.array_types import Array, Float, Int, State
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import as_symbols, check_integer
from lstm_jax.cells.attending import (
  SCORES,
  AttendingLSTM,
  AttentionMemory,
  attention_memory,
)
from lstm_jax.cells.base import matmul
from lstm_jax.cells.lstm import LSTM
from lstm_jax.data.inputs import Pair
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout
from lstm_jax.layers.embedding import lookup
from lstm_jax.layers.heads import Softmax
from lstm_jax.layers.stack import Stack
from lstm_jax.likelihoods.categorical import OfFeatures
from lstm_jax.models.base import Keys, Output
from lstm_jax.models.config import RecurrentConfig
from lstm_jax.recurrence.unroll import Options
from lstm_jax.tasks.base import Spec, TaskConfig

ATTENTION = ("none", *SCORES)


class EncoderDecoder(nnx.Module):
  """p(target | source), one symbol of the target after the other.

  cells: of the decoder, and of both directions of the encoder together. The
    lowest layer of the decoder attends.
  attention: "none", or the score of what is attended to.
  reverse: the encoder reads the source backwards, where it has one direction.

  Raises:
    ValueError: a size is out of range.
  """

  def __init__(
    self,
    cells: Sequence[LSTM],
    *,
    source_size: int,
    target_size: int,
    embedding_size: int,
    attention: str = "additive",
    bidirectional: bool = True,
    reverse: bool = False,
    residual: bool = False,
    output_norm: bool = False,
    rates: Dropout = Dropout(),
    dtype: str = "float32",
    options: Options = Options(),
    rngs: nnx.Rngs,
  ):
    check_integer("source_size", source_size)
    check_integer("target_size", target_size)
    directions = 1 + bidirectional
    e, top = embedding_size, cells[-1].hidden_size
    shared = {
      "residual": residual,
      "output_norm": output_norm,
      "rates": rates,
      "options": options,
      "rngs": rngs,
    }
    self.source_embedding, self.target_embedding = (
      nnx.Param(initializers.uniform(rngs.params(), (size, e), 0.1))
      for size in (source_size, target_size)
    )
    self.encoder = Stack(
      [
        dataclasses.replace(cell, hidden_size=cell.hidden_size // directions)
        for cell in cells
      ],
      e,
      bidirectional=bidirectional,
      **shared,
    )
    lowest, *others = cells
    if attention != "none":
      h = lowest.hidden_size
      self.keys_w = nnx.Param(
        initializers.lecun_uniform(rngs.params(), (top, h))
      )
      lowest = AttendingLSTM(
        **dataclasses.asdict(lowest),
        memory_size=top,
        key_size=h,
        score=attention,
      )
    self.decoder = Stack([lowest, *others], e, **shared)
    self.softmax_w = nnx.Param(
      initializers.lecun_uniform(
        rngs.params(), (self.decoder.output_size, target_size)
      )
    )
    self.softmax_b = nnx.Param(jnp.zeros(target_size))
    self.attention, self.reverse, self.dtype = attention, reverse, dtype

  def initial_state(self, rows: int) -> tuple[()]:
    return ()

  def read(self, inputs: Pair, state: Any = (), keys: Keys = Keys()) -> Output:
    """The likelihood of the symbol after each of `inputs.before`."""
    noise = keys.noise
    context, state = self._encode(inputs, noise and noise.fold_in(0))
    features, _ = self._decode(
      context,
      state,
      inputs.before,
      mask=inputs.before_mask,
      keys=noise and noise.fold_in(1),
    )
    return Output(features, (), self._likelihood(features))

  def start(
    self, inputs: Pair
  ) -> tuple[AttentionMemory | None, tuple[State, ...], Int[Array, "b"]]:
    """For a search: what is read, the decoder's first state, and the symbol
    that stands before every answer."""
    context, state = self._encode(inputs, None)
    return context, state, inputs.before[:, 0]

  def step(
    self,
    context: AttentionMemory | None,
    state: tuple[State, ...],
    symbols: Int[Array, "b"],
  ) -> tuple[OfFeatures, tuple[State, ...]]:
    """What follows each of these symbols [b 1 v], and the state after them."""
    features, state = self._decode(context, state, symbols[:, None])
    return self._likelihood(features), state

  def _encode(self, inputs, keys):
    source = as_symbols(
      "source", inputs.source, self.source_embedding[...].shape[0]
    )
    x = lookup(self.source_embedding[...], source).astype(self.dtype)
    mask = inputs.source_mask
    if self.reverse:  # what is masked stays at the end of the sentence's steps
      x, mask = jnp.flip(x, 1), jnp.flip(mask, 1)
    memory, ends = self.encoder(x, mask=mask, keys=keys)
    rows = len(source)
    state = self.decoder.initial_state(rows)
    state = tuple(map(_taken_over, state, ends))
    if self.attention == "none":
      return None, state
    values = jnp.flip(memory, 1) if self.reverse else memory
    mask = inputs.source_mask
    return attention_memory(
      matmul(values, self.keys_w[...]), values, mask
    ), state

  def _decode(self, context, state, symbols, *, mask=None, keys=None):
    symbols = as_symbols("before", symbols, self.target_embedding[...].shape[0])
    y = lookup(self.target_embedding[...], symbols).astype(self.dtype)
    if context is None:
      return self.decoder(y, state, mask=mask, keys=keys)
    return self.decoder(y, state, mask=mask, keys=keys, context=context)

  def _likelihood(self, features: Float[Array, "b t h"]) -> OfFeatures:
    return OfFeatures(
      features, Softmax(self.softmax_w[...], self.softmax_b[...])
    )


def _taken_over(start, end):
  """A decoder layer's first state with the h and c that the encoder's ended
  with, those of both directions side by side."""
  both = end if isinstance(end[0], tuple) else (end,)
  h, c = (
    jnp.concatenate([getattr(state, name) for state in both], -1)
    for name in ("h", "c")
  )
  return start._replace(h=h, c=c)


@dataclasses.dataclass(slots=True)
class EncoderDecoderConfig(RecurrentConfig):
  CHOICES: ClassVar = RecurrentConfig.CHOICES | {"attention": ATTENTION}
  RANGES: ClassVar = RecurrentConfig.RANGES | {"embedding_size": (1, 10**6)}
  READS: ClassVar = ("pairs",)

  name: str = "encoder_decoder"
  # width of the embeddings of both sides
  embedding_size: int = 64
  # how the decoder attends to the source: "additive", "general", "dot", "none"
  attention: str = "additive"
  # the encoder reads the source in both directions
  bidirectional: bool = True
  # or backwards alone, so that the first words of both sides are near
  # (Sutskever et al. 2014)
  reverse: bool = False

  def check(self, task: TaskConfig):
    RecurrentConfig.check(self, task)
    if any(type(cell) is not LSTM for cell in self.cells()):
      raise ConfigError('model.cell: an encoder_decoder is made of "lstm"')
    if self.bidirectional and any(size % 2 for size in self.hidden_sizes):
      raise ConfigError(
        "model.hidden_sizes: must be even with model.bidirectional, whose"
        " directions have half of the units each"
      )

  def unread(self, task: TaskConfig) -> dict[str, str]:
    found = RecurrentConfig.unread(self, task)
    found["dropout.embedding"] = "an encoder_decoder drops no rows of them"
    if self.bidirectional:
      found["reverse"] = "the encoder reads in both directions"
    return found

  def build(self, spec: Spec, rngs: nnx.Rngs) -> EncoderDecoder:
    cells = [cell for cell in self.cells() if isinstance(cell, LSTM)]
    return EncoderDecoder(
      cells,  # which `check` has seen to be all
      source_size=spec.inputs,
      target_size=spec.outputs,
      embedding_size=self.embedding_size,
      attention=self.attention,
      bidirectional=self.bidirectional,
      reverse=self.reverse,
      **self._shared(),
      rngs=rngs,
    )
