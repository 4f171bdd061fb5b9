"""Language modelling: predict the next character, or the next word, of a text.

Mikolov et al. 2010, "Recurrent neural network based language model": a state is
carried through the text, and gradients go back through a window of it.
"""

import functools
import hashlib
import json
from typing import Any

import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.data.corpus_tokens import count_symbol, load_corpus, map_corpus
from lstm_jax.data.inputs import Tokens
from lstm_jax.data.prepared import SPLITS
from lstm_jax.data.streams import (
  Streams,
  TrainingWindows,
  Windows,
  cut_at,
  cut_tokens,
  evaluation_streams,
)
from lstm_jax.data.vocabulary import Vocabulary
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.base import Batch, Controls, Evaluation, Spec, Targets


class TextLM:
  """Streams of tokens with the state carried from window to window.

  Raises:
    DataError: the corpus cannot be read, or a split is too short.
  """

  rows = 1  # exact: the state runs through the whole split

  def __init__(
    self, config: Any, batch_size: int, vocabulary: Vocabulary | None = None
  ):
    """config: one of `text_config`."""
    self.headline, self.token = config.headline, config.token
    self.scores = config.scores
    self.config = config
    if config.stream:
      corpus = map_corpus(
        config.corpus, config.make_vocabulary, vocabulary, config.as_bytes
      )
    else:
      corpus = load_corpus(
        config.corpus,
        config.make_vocabulary,
        vocabulary,
        config.as_bytes,
        config.words,
        config.percent,
        config.limit,
      )
    self._tokens, self._source = corpus.tokens, corpus.source
    self.vocabulary = vocabulary = corpus.vocabulary
    self.window = config.window
    self._restart = number_of_start(config.document_start, vocabulary)
    try:
      self.source = TrainingWindows(
        corpus.tokens["train"],
        batch_size,
        config.window,
        config.window_spread,
        on_disk=config.stream,
      )
    except ValueError as error:
      raise DataError(
        f"{self._source}: the training split is too short: {error}; lower"
        " train.batch_size or task.window, or give more text"
      ) from None
    for split in SPLITS[1 : 2 + (config.percent[2] > 0)]:
      self._check_split(split)
    v = len(self.vocabulary)
    self.spec = Spec("text", v, v)
    self.steps_per_epoch = self.source.per_epoch
    self.tokens_per_step = round(batch_size * self.source.mean_length)
    self.record = {
      "corpus": self._source,
      "corpus_sha256": corpus.digest,
      f"{self.token}s": {k: len(t) for k, t in self._tokens.items()},
      f"unknown_{self.token}s": {
        k: count_symbol(t, vocabulary.unknown_symbol)
        for k, t in self._tokens.items()
      },
      "vocabulary_size": len(self.vocabulary),
      "vocabulary_sha256": hashlib.sha256(
        _digested(vocabulary.symbols)
      ).hexdigest(),
    }

  def assets(self) -> dict[str, Any]:
    return {"vocabulary": self.vocabulary.symbols}

  def _check_split(self, split):
    if len(self._tokens[split]) < 2:
      raise DataError(
        f"{self._source}: the {split} split has fewer than 2 {self.token}s;"
        " give more text"
      )

  def batch(
    self, data: Windows, step: Int[Array, ""], key: Key[Array, ""]
  ) -> tuple[Batch, Controls]:
    number = (step - data.first) % len(data.starts)
    longest = self.source.longest
    inputs, targets = cut_tokens(data, data.places[number], longest)
    restart = data.starts[number] == 0
    reset = _begins(inputs, self._restart)
    if data.lengths is None:
      targets = Targets(targets, jnp.ones(inputs.shape))
      return Batch(Tokens(inputs, None, reset), targets), Controls(restart)
    # Padded to the longest, so that nothing recompiles.
    length = data.lengths[number]
    mask = jnp.broadcast_to(jnp.arange(longest) < length, inputs.shape)
    weights = mask.astype(jnp.float32)
    batch = Batch(Tokens(inputs, mask, reset), Targets(targets, weights))
    return batch, Controls(restart, rate=length / self.window)

  def evaluation(self, split: str, rows: int, window: int = 0) -> Evaluation:
    """window: tokens of one; 0 is the task's."""
    self._check_split(split)
    window = window or self.window
    data = evaluation_streams(self._tokens[split], rows, window)
    cut = functools.partial(_batch, window=window, restart=self._restart)
    return Evaluation(cut, data, data.inputs.shape[1] // window)

  def loss(self, output: Any, targets: Targets) -> Sums:
    nll = output.likelihood.nll(targets.tokens)
    return Sums((nll * targets.weights).sum(), targets.weights.sum())


def number_of_start(document_start: str, vocabulary: Vocabulary) -> int | None:
  """The symbol that begins a document; None where none does.

  Raises:
    ConfigError: it is not one symbol of the vocabulary.
  """
  if not document_start:
    return None
  symbols = vocabulary.encode(document_start)
  if len(symbols) != 1 or symbols[0] == vocabulary.unknown_symbol:
    raise ConfigError(
      f"task.document_start: {document_start!r} must be one symbol of the"
      " vocabulary"
    )
  return int(symbols[0])


def _begins(inputs, restart):
  """Where documents begin, as `Tokens.reset`."""
  return None if restart is None else inputs == restart


def _batch(data: Streams, index, window, restart):
  start = index * window
  tokens, targets = cut_tokens(data, start, window)
  weights = cut_at(data.weights, start, window)
  inputs = Tokens(tokens, None, _begins(tokens, restart))
  return Batch(inputs, Targets(targets, weights)), Controls(index == 0)


def _digested(symbols: Any) -> bytes:
  return (symbols if isinstance(symbols, str) else json.dumps(symbols)).encode()
