"""A corpus as token numbers, in memory or mapped from disk.

Mapped tokens are in a file that is made once for a vocabulary, beside the
prepared corpus, piece by piece; then a training run costs the memory of the
windows that it is looking at.
"""

import hashlib
import json
import os
import pathlib
import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lstm_jax.array_types import Array, Shaped
from lstm_jax.data.cuts import whole_cut
from lstm_jax.data.prepared import SPLITS, Prepared, open_prepared
from lstm_jax.data.text import read_corpus
from lstm_jax.data.vocabulary import Vocabulary
from lstm_jax.errors import DataError

# A vocabulary out of the pieces of a text.
MakeVocabulary = Callable[[Iterable[str | bytes]], Vocabulary]


class CorpusTokens(NamedTuple):
  tokens: Mapping[str, Shaped[Array, "n"]]  # of each split
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
  parts: dict[str, Any] = {
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
    split: _map_tokens(prepared, split, vocabulary, as_bytes)
    for split in SPLITS
  }
  return CorpusTokens(tokens, vocabulary, prepared.digest, corpus)


def _map_tokens(
  prepared: Prepared, split: str, vocabulary: Vocabulary, as_bytes: bool
) -> Shaped[Array, "n"]:
  """The token numbers of a split, mapped into memory.

  Raises:
    DataError: the file cannot be written or read.
  """
  symbols = json.dumps([type(vocabulary).__name__, vocabulary.symbols])
  digest = hashlib.sha256(symbols.encode()).hexdigest()[:16]
  dtype = np.min_scalar_type(len(vocabulary) - 1)
  path = prepared.path / "tokens" / f"{split}-{digest}.{dtype.name}"
  try:
    if not path.exists():
      _write(path, prepared, split, vocabulary, as_bytes, dtype)
    if not path.stat().st_size:
      return np.zeros(0, dtype)
    return np.memmap(path, dtype, mode="r")
  except (OSError, ValueError) as error:
    reason = getattr(error, "strerror", None) or error
    raise DataError(f"{path}: cannot be used: {reason}") from None


def _write(path: pathlib.Path, prepared, split, vocabulary, as_bytes, dtype):
  path.parent.mkdir(exist_ok=True)
  writer = f"{platform.node()}.{os.getpid()}"
  draft = path.with_name(f".{path.name}.{writer}")
  try:
    with draft.open("wb") as file:
      for text in prepared.texts(split, as_bytes):
        file.write(vocabulary.encode(text).astype(dtype).tobytes())
      file.flush()
      os.fsync(file.fileno())
    os.replace(draft, path)
  finally:
    draft.unlink(missing_ok=True)


def count_symbol(tokens: Shaped[Array, "n"], symbol: int) -> int:
  """How often a number occurs, without a copy of all."""
  step = 2**22
  return sum(
    int((tokens[at : at + step] == symbol).sum())
    for at in range(0, len(tokens), step)
  )
