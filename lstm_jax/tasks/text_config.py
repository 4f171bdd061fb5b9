"""Configs of language modelling: characters, bytes, words."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from lstm_jax.data.inputs import Tokens
from lstm_jax.data.prepared import PREFIX
from lstm_jax.data.vocabulary import (
  ByteVocabulary,
  CharVocabulary,
  Vocabulary,
  decode_blocks,
  encode_prompt,
  restore,
)
from lstm_jax.data.words import WordSplit, WordVocabulary
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.metrics.sums import (
  Sums,
  bits_per_token,
  nats_per_token,
  perplexity,
)
from lstm_jax.search.base import SearchConfig
from lstm_jax.tasks.base import Score, Spec, TaskConfig
from lstm_jax.tasks.text_lm import TextLM, number_of_start


@dataclasses.dataclass(slots=True)
class TextLMConfig(TaskConfig):
  """What both units share."""

  family: ClassVar = "text"
  asks: ClassVar = "next"
  as_bytes: ClassVar = False
  vocabulary: ClassVar[Any] = None  # its class, where it has no options
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
  # a symbol that begins a document, as a character or word: the state starts
  # afresh before each; empty is one text without end
  document_start: str = ""
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
        "task.stream: give a prepared corpus, task.corpus=tfds:NAME"
      )
    if self.stream and self.limit:
      raise ConfigError("task.stream: takes no task.limit")

  def make_vocabulary(self, pieces: Iterable[str | bytes]) -> Vocabulary:
    """That of a text which comes piece by piece."""
    return self.vocabulary.from_pieces(
      pieces, self.vocabulary_size, self.min_count
    )

  def unread(self, with_assets: bool) -> dict[str, str]:
    why = "the vocabulary is that of train.init_from"
    names = ("vocabulary_size", "min_count") if with_assets else ()
    return dict.fromkeys(names, why)

  def spec(self, assets: dict[str, Any] | None = None) -> Spec | None:
    if assets is None:
      return None
    size = len(_vocabulary_of(assets))
    return Spec("text", size, size)

  @staticmethod
  def usual_search() -> SearchConfig:
    return SearchConfig("sample", length=400)

  @staticmethod
  def request(lines: list[str], assets: dict[str, Any]) -> Tokens:
    """A prompt, for `generate` to go on from.

    Raises:
      DataError: the vocabulary lacks some of it.
    """
    (prompt,) = lines
    return Tokens(encode_prompt(_vocabulary_of(assets), prompt)[None])

  def restart(self, assets: dict[str, Any]) -> int | None:
    """The number of `document_start`."""
    return number_of_start(self.document_start, _vocabulary_of(assets))

  @staticmethod
  def unspoken(assets: dict[str, Any]) -> tuple[int, ...]:
    """Symbols that are never made."""
    return (_vocabulary_of(assets).unknown_symbol,)

  @staticmethod
  def spoken(
    blocks: Iterable[np.ndarray], assets: dict[str, Any], prompt: str = ""
  ) -> Iterator[str]:
    """The text of symbols after a prompt, as they come."""
    vocabulary = _vocabulary_of(assets)
    words = isinstance(vocabulary, WordVocabulary)
    before = " " if words and prompt[-1:].strip() else ""  # another word
    return decode_blocks(vocabulary, blocks, before)

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> TextLM:
    """Reads the corpus. Its vocabulary is made of the training split, unless
    assets have one."""
    vocabulary = _vocabulary_of(assets) if assets else None
    return TextLM(self, batch_size, vocabulary)


@dataclasses.dataclass(slots=True)
class CharLMConfig(TextLMConfig):
  token: ClassVar = "character"
  headline: ClassVar = Score("bits_per_char")
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
  headline: ClassVar = Score("perplexity")
  words: ClassVar = True

  name: str = "word_lm"
  window: int = 35
  # in small letters
  lower: bool = False
  # punctuation marks and symbols are words of their own, as WordSplit says
  split_punctuation: bool = False

  def make_vocabulary(self, pieces: Iterable[str | bytes]) -> Vocabulary:
    split = WordSplit(self.lower, self.split_punctuation)
    texts: Any = pieces  # never bytes, for words
    return WordVocabulary.from_pieces(
      texts, self.vocabulary_size, self.min_count, split
    )

  @staticmethod
  def scores(sums: Sums) -> dict[str, float]:
    return {
      "perplexity": perplexity(sums),
      "nats_per_word": nats_per_token(sums),
      "bits_per_word": bits_per_token(sums),
    }


def _vocabulary_of(assets: dict[str, Any]) -> Vocabulary:
  """Raises DataError where it is not as a run wrote it."""
  try:
    return restore(assets.get("vocabulary"))
  except (ValueError, AttributeError, TypeError) as error:
    raise DataError(
      f"vocabulary.json: cannot be read: {error}; put back a copy of it"
    ) from None
