"""Language modelling: predict the next character, or the next word, of a text.

Mikolov et al. 2010, "Recurrent neural network based language model": a state is
carried through the text, and gradients go back through a window of it.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable
from typing import Any, ClassVar

import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.data.corpus_tokens import count_symbol, load_corpus, map_corpus
from lstm_jax.data.prepared import PREFIX, SPLITS
from lstm_jax.data.streams import (
  Streams,
  TrainingWindows,
  Windows,
  cut_at,
  cut_tokens,
  evaluation_streams,
)
from lstm_jax.data.vocabulary import ByteVocabulary, CharVocabulary, Vocabulary
from lstm_jax.data.words import WordSplit, WordVocabulary
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.metrics.sums import (
  Sums,
  bits_per_token,
  nats_per_token,
  perplexity,
)
from lstm_jax.tasks.base import Batch, Sizes, TaskConfig


@dataclasses.dataclass(slots=True)
class TextLMConfig(TaskConfig):
  """What both units share."""

  text: ClassVar = True
  as_bytes: ClassVar = False
  words: ClassVar = False
  RANGES: ClassVar = {
    "window": (1, 10**6),
    "percent": (0, 100),
    "window_spread": (0, 10**6),
    "limit": (0, 10**12),
    "vocabulary_size": (0, 2**31 - 1),
    "min_count": (1, 2**31 - 1),
  }

  name: str = ""
  # "stdlib", or its "docstrings"; a UTF-8 text file; a folder or zip file with
  # train.txt, valid.txt and test.txt, whatever stands before these names; or
  # "tfds:NAME", prepared by scripts.prepare_data
  corpus: str = "stdlib"
  # read the training split of a prepared corpus from disk, window by window
  stream: bool = False
  # of one file: how much of it is for train, valid and test, in this order
  percent: tuple[int, ...] = (90, 5, 5)
  # tokens of truncated backpropagation through time
  window: int = 128
  # standard deviation of random window lengths with the mean `window` in
  # training, where the learning rate is scaled by length / window (Merity et
  # al. 2018); 0 is windows all of one length
  window_spread: float = 0.0
  # characters of the corpus to use from the start of each split, and to the end
  # of the last word; 0 is all
  limit: int = 0
  # symbols of the vocabulary, the most frequent ones, with the unknown one; the
  # others are unknown, in training too; 0 is all. With train.init_from the
  # vocabulary is that run's
  vocabulary_size: int = 0
  # how often a symbol must occur in the training split to be one of them
  min_count: int = 1

  def check(self):
    if self.vocabulary_size == 1:
      raise ConfigError(
        "task.vocabulary_size: 1 is the unknown symbol alone; give 0, for all,"
        " or more"
      )
    if (
      len(self.percent) != 3
      or sum(self.percent) != 100
      or (0 in self.percent[:2])
    ):
      raise ConfigError(
        "task.percent: must be three numbers that give 100, as 90,5,5; the"
        " last alone may be 0"
      )
    if self.stream and not self.corpus.startswith(PREFIX):
      raise ConfigError(
        'task.stream: give a prepared corpus, --config.task.corpus="tfds:NAME"'
      )
    if self.stream and self.limit:
      raise ConfigError("task.stream: takes no task.limit")

  def make_vocabulary(self, pieces: Iterable[str | bytes]) -> Vocabulary:
    """That of a text which comes piece by piece."""
    return self.vocabulary.from_pieces(
      pieces, self.vocabulary_size, self.min_count
    )

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
      "bits_per_char": bits_per_token(sums),
      "nats_per_char": nats_per_token(sums),
      "perplexity": perplexity(sums),
    }


@dataclasses.dataclass(slots=True)
class ByteLMConfig(CharLMConfig):
  """Characters that are bytes, as enwik8's are taken."""

  as_bytes: ClassVar = True
  vocabulary: ClassVar = ByteVocabulary

  name: str = "byte_lm"


@dataclasses.dataclass(slots=True)
class WordLMConfig(TextLMConfig):
  """Words are what stands between white space, and each line end."""

  token: ClassVar = "token"
  headline: ClassVar = "perplexity"
  words: ClassVar = True

  name: str = "word_lm"
  window: int = 35
  # in small letters
  lower: bool = False
  # punctuation marks and symbols are words of their own, as WordSplit says
  split_punctuation: bool = False

  def make_vocabulary(self, pieces: Iterable[str | bytes]) -> Vocabulary:
    split = WordSplit(self.lower, self.split_punctuation)
    return WordVocabulary.from_pieces(
      pieces, self.vocabulary_size, self.min_count, split
    )

  @staticmethod
  def scores(sums: Sums) -> dict[str, float]:
    return {
      "perplexity": perplexity(sums),
      "nats_per_word": nats_per_token(sums),
      "bits_per_word": bits_per_token(sums),
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
    self._config = config
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
    self.sizes = Sizes(inputs=v, outputs=v, symbols=True)
    self.train = self.source.at(0, 1)
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

  def _check_split(self, split):
    if len(self._tokens[split]) < 2:
      raise DataError(
        f"{self._source}: the {split} split has fewer than 2 {self.token}s;"
        " give more text"
      )

  def batch(
    self,
    data: Windows,
    step: Int[Array, ""],
    key: Key[Array, ""],
  ) -> Batch:
    number = (step - data.first) % len(data.starts)
    longest = self.source.longest
    inputs, targets = cut_tokens(data, data.places[number], longest)
    restart = data.starts[number] == 0
    if data.lengths is None:
      return Batch(inputs, targets, jnp.ones(inputs.shape), restart)
    # Padded to the longest, so that nothing recompiles.
    length = data.lengths[number]
    mask = jnp.broadcast_to(jnp.arange(longest) < length, inputs.shape)
    return Batch(
      inputs,
      targets,
      mask.astype(jnp.float32),
      restart,
      mask,
      lr_scale=length / self.window,
    )

  def evaluation(self, split: str, streams: int, window: int = 0):
    """window: tokens of one; 0 is the task's."""
    self._check_split(split)
    window = window or self.window
    data = evaluation_streams(self._tokens[split], streams, window)
    cut = functools.partial(_batch, window=window)
    return cut, data, data.inputs.shape[1] // window

  def loss(self, output, batch: Batch) -> Sums:
    nll = output.nll(batch.targets)
    return Sums((nll * batch.weights).sum(), batch.weights.sum())


def _batch(data: Streams, index, window):
  start = index * window
  weights = cut_at(data.weights, start, window)
  return Batch(*cut_tokens(data, start, window), weights, restart=index == 0)


def _digested(symbols: Any) -> bytes:
  return (symbols if isinstance(symbols, str) else json.dumps(symbols)).encode()
