"""Character language modelling: predict the next character of a text."""

import dataclasses
import hashlib
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
from lstm_jax.data.vocabulary import CharVocabulary
from lstm_jax.errors import DataError
from lstm_jax.metrics import Sums
from lstm_jax.tasks.base import Batch, Sizes, TaskConfig


@dataclasses.dataclass(slots=True)
class CharLMConfig(TaskConfig):
  text: ClassVar = True
  RANGES: ClassVar = {"window": (1, 10**6), "limit": (0, 10**12)}

  name: str = "char_lm"
  # "stdlib", a UTF-8 text file (cut 90/5/5), or a folder with train.txt,
  # valid.txt and test.txt
  corpus: str = "stdlib"
  # characters of truncated backpropagation through time
  window: int = 128
  # characters of the corpus to use from the start of each split; 0 is all
  limit: int = 0

  def load(
    self, batch_size: int, vocabulary: CharVocabulary | None = None
  ) -> "CharLM":
    """Reads the corpus. A vocabulary is given when the parameters come from
    another run, else it is made of the training split."""
    return CharLM(self, batch_size, vocabulary)


class CharLM:
  """Streams of characters with the state carried from window to window.

  Raises:
    DataError: the corpus cannot be read, or a split is too short.
  """

  headline = "bits_per_char"
  token = "character"
  evaluation_streams = 1  # exact: the state runs through the whole split

  def __init__(
    self,
    config: CharLMConfig,
    batch_size: int,
    vocabulary: CharVocabulary | None = None,
  ):
    corpus = read_corpus(config.corpus)
    if config.limit:
      corpus = Corpus(
        {k: text[: config.limit] for k, text in corpus.texts.items()},
        corpus.digest,
        corpus.source,
      )
    self.window = config.window
    if vocabulary is None:
      vocabulary = CharVocabulary.from_text(corpus.texts["train"])
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
          f"{corpus.source}: the {split} split has fewer than 2 characters;"
          " give more text"
        )
    self.tokens_per_step = batch_size * config.window
    v = len(self.vocabulary)
    self.sizes = Sizes(inputs=v, outputs=v, symbols=True)
    self.steps_per_epoch = self.train.inputs.shape[1] // config.window
    self.record = {
      "corpus": corpus.source,
      "corpus_sha256": corpus.digest,
      "characters": {k: len(t) for k, t in self._tokens.items()},
      "unknown_characters": {
        k: int((t == CharVocabulary.UNKNOWN).sum())
        for k, t in self._tokens.items()
      },
      "vocabulary_size": len(self.vocabulary),
      "vocabulary_sha256": hashlib.sha256(
        self.vocabulary.characters.encode()
      ).hexdigest(),
    }

  def batch(
    self, data: Streams, step: Int[Array, ""], key: Key[Array, ""]
  ) -> Batch:
    return self._batch(data, step % (data.inputs.shape[1] // self.window))

  def _batch(self, data, index):
    return Batch(*window_batch(data, index, self.window), restart=index == 0)

  def evaluation(self, split: str, streams: int):
    data = evaluation_streams(self._tokens[split], streams, self.window)
    return self._batch, data, data.inputs.shape[1] // self.window

  def loss(self, output, batch: Batch) -> Sums:
    nll = output.nll(batch.targets)
    return Sums((nll * batch.weights).sum(), batch.weights.sum())

  @staticmethod
  def scores(sums: Sums) -> dict[str, float]:
    return {
      "bits_per_char": metrics.bits_per_char(sums),
      "nats_per_char": metrics.nats_per_token(sums),
      "perplexity": metrics.perplexity(sums),
    }
