"""A corpus as token numbers, in memory or mapped from disk."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from lstm_jax.array_types import Array, Shaped
from lstm_jax.data.cuts import whole_cut
from lstm_jax.data.prepared import SPLITS, open_prepared
from lstm_jax.data.text import read_corpus
from lstm_jax.data.token_files import map_tokens
from lstm_jax.data.vocabulary import Vocabulary

# A vocabulary out of the pieces of a text.
MakeVocabulary = Callable[[Iterable[str | bytes]], Vocabulary]


class CorpusTokens(NamedTuple):
  tokens: dict[str, Shaped[Array, "n"]]  # of each split
  vocabulary: Vocabulary
  digest: str  # SHA-256 of the text
  source: str  # what it is, for the record


def load_corpus(
  corpus: str,
  make_vocabulary: MakeVocabulary,
  vocabulary: Vocabulary | None,
  as_bytes: bool,
  words: bool,
  percent: tuple[int, ...],
  limit: int,
) -> CorpusTokens:
  """Reads a corpus into memory.

  Args:
    corpus, percent, as_bytes, words: as in `read_corpus`.
    make_vocabulary: of the training split, unless a vocabulary is given.
    limit: characters to use from the start of each split, and to the end of
      the last word or character; 0 is all.

  Raises:
    DataError: it cannot be read.
  """
  read = read_corpus(corpus, percent, as_bytes=as_bytes, words=words)
  parts = {
    split: text[: whole_cut(text, limit or len(text), words)]
    for split, text in read.texts.items()
  }
  if vocabulary is None:
    vocabulary = make_vocabulary([parts["train"]])
  dtype = np.min_scalar_type(len(vocabulary) - 1)
  tokens = {
    split: vocabulary.encode(parts[split]).astype(dtype) for split in SPLITS
  }
  return CorpusTokens(tokens, vocabulary, read.digest, read.source)


def map_corpus(
  corpus: str,
  make_vocabulary: MakeVocabulary,
  vocabulary: Vocabulary | None,
  as_bytes: bool,
) -> CorpusTokens:
  """The same of a prepared corpus, with its tokens mapped from disk.

  Raises:
    DataError: it has not been prepared, or cannot be read or written to.
  """
  prepared = open_prepared(corpus)
  if vocabulary is None:
    vocabulary = make_vocabulary(prepared.texts("train", as_bytes))
  tokens = {
    split: map_tokens(prepared, split, vocabulary, as_bytes) for split in SPLITS
  }
  return CorpusTokens(tokens, vocabulary, prepared.digest, corpus)
