"""Language modelling: predict the next character, or the next word, of a text.

Mikolov et al. 2010, "Recurrent neural network based language model": a state is
carried through the text, and gradients go back through a window of it.
"""

import dataclasses
import functools
import hashlib
import json
from typing import ClassVar

import numpy as np

from lstm_jax import metrics
from lstm_jax.array_types import Array, Int, Key
from lstm_jax.data.streams import (
  Streams,
  evaluation_streams,
  training_streams,
  window_batch,
)
from lstm_jax.data.text import SPLITS, Corpus, read_corpus
from lstm_jax.data.vocabulary import CharVocabulary, Vocabulary, WordVocabulary
from lstm_jax.errors import DataError
from lstm_jax.metrics import Sums
from lstm_jax.tasks.base import Batch, Sizes, TaskConfig


@dataclasses.dataclass(slots=True)
class TextLMConfig(TaskConfig):
  """What both units share."""

  text: ClassVar = True
  RANGES: ClassVar = {"window": (1, 10**6), "limit": (0, 10**12)}

  name: str = ""
  # "stdlib", a UTF-8 text file (cut 90/5/5), or a folder or zip file with
  # train.txt, valid.txt and test.txt, whatever stands before these names
  corpus: str = "stdlib"
  # tokens of truncated backpropagation through time
  window: int = 128
  # characters of the corpus to use from the start of each split; 0 is all
  limit: int = 0

  def load(
    self, batch_size: int, vocabulary: Vocabulary | None = None
  ) -> "TextLM":
    """Reads the corpus. A vocabulary is given when the parameters come from
    another run, else it is made of the training split."""
    return TextLM(self, batch_size, vocabulary)


@dataclasses.dataclass(slots=True)
class CharLMConfig(TextLMConfig):
  token: ClassVar = "character"
  headline: ClassVar = "bits_per_char"
  vocabulary: ClassVar = CharVocabulary

  name: str = "char_lm"

  @staticmethod
  def scores(sums: Sums) -> dict[str, float]:
    return {
      "bits_per_char": metrics.bits_per_token(sums),
      "nats_per_char": metrics.nats_per_token(sums),
      "perplexity": metrics.perplexity(sums),
    }


@dataclasses.dataclass(slots=True)
class WordLMConfig(TextLMConfig):
  """Words are what stands between white space, and each line end."""

  token: ClassVar = "token"
  headline: ClassVar = "perplexity"
  vocabulary: ClassVar = WordVocabulary

  name: str = "word_lm"
  window: int = 35

  @staticmethod
  def scores(sums: Sums) -> dict[str, float]:
    return {
      "perplexity": metrics.perplexity(sums),
      "nats_per_word": metrics.nats_per_token(sums),
      "bits_per_word": metrics.bits_per_token(sums),
    }


class TextLM:
  """Streams of tokens with the state carried from window to window.

  Raises:
    DataError: the corpus cannot be read, or a split is too short.
  """

  evaluation_streams = 1  # exact: the state runs through the whole split

  def __init__(
    self,
    config: TextLMConfig,
    batch_size: int,
    vocabulary: Vocabulary | None = None,
  ):
    self.headline, self.token = config.headline, config.token
    self.scores = config.scores
    corpus = read_corpus(config.corpus)
    if config.limit:
      corpus = Corpus(
        {k: text[: config.limit] for k, text in corpus.texts.items()},
        corpus.digest,
        corpus.source,
      )
    self.window = config.window
    if vocabulary is None:
      vocabulary = config.vocabulary.from_text(corpus.texts["train"])
    self.vocabulary = vocabulary
    dtype = np.min_scalar_type(len(self.vocabulary) - 1)
    self._tokens = {
      split: self.vocabulary.encode(corpus.texts[split]).astype(dtype)
      for split in SPLITS
    }
    try:
      self.train = training_streams(
        self._tokens["train"], batch_size, config.window
      )
    except ValueError as error:
      raise DataError(
        f"{corpus.source}: the training split is too short: {error}; lower"
        " train.batch_size or task.window, or give more text"
      ) from None
    for split in SPLITS[1:]:
      if len(self._tokens[split]) < 2:
        raise DataError(
          f"{corpus.source}: the {split} split has fewer than 2 {self.token}s;"
          " give more text"
        )
    self.tokens_per_step = batch_size * config.window
    v = len(self.vocabulary)
    self.sizes = Sizes(inputs=v, outputs=v, symbols=True)
    self.steps_per_epoch = self.train.inputs.shape[1] // config.window
    self.record = {
      "corpus": corpus.source,
      "corpus_sha256": corpus.digest,
      f"{self.token}s": {k: len(t) for k, t in self._tokens.items()},
      f"unknown_{self.token}s": {
        k: int((t == vocabulary.unknown_symbol).sum())
        for k, t in self._tokens.items()
      },
      "vocabulary_size": len(self.vocabulary),
      "vocabulary_sha256": hashlib.sha256(
        _digested(vocabulary.symbols)
      ).hexdigest(),
    }

  def batch(
    self, data: Streams, step: Int[Array, ""], key: Key[Array, ""]
  ) -> Batch:
    index = step % (data.inputs.shape[1] // self.window)
    return _batch(data, index, self.window)

  def evaluation(self, split: str, streams: int, window: int = 0):
    """window: tokens of one; 0 is the task's."""
    window = window or self.window
    data = evaluation_streams(self._tokens[split], streams, window)
    cut = functools.partial(_batch, window=window)
    return cut, data, data.inputs.shape[1] // window

  def loss(self, output, batch: Batch) -> Sums:
    nll = output.nll(batch.targets)
    return Sums((nll * batch.weights).sum(), batch.weights.sum())


def _batch(data, index, window):
  return Batch(*window_batch(data, index, window), restart=index == 0)


def _digested(symbols: str | list[str]) -> bytes:
  return (symbols if isinstance(symbols, str) else json.dumps(symbols)).encode()
