"""Characters and bytes as numbers, and what vocabularies share."""

import codecs
import collections
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from lstm_jax.data.words import WordVocabulary, most_frequent
from lstm_jax.errors import DataError


class CharVocabulary:
  """The characters of the training split in code point order.

  Number 0 is the unknown symbol: every character that training never saw.
  """

  unknown_symbol = 0

  def __init__(self, characters: str):
    self.characters = characters
    codes = np.frombuffer(characters.encode("utf-32-le"), np.uint32)
    if (np.diff(codes.astype(np.int64)) <= 0).any():
      raise ValueError("characters must be distinct and in code point order")
    self._codes = codes

  @classmethod
  def from_text(cls, *texts: str) -> "CharVocabulary":
    return cls.from_pieces(texts)

  @classmethod
  def from_pieces(
    cls, texts: Iterable[str], size: int = 0, min_count: int = 1
  ) -> "CharVocabulary":
    """That of a text which comes piece by piece; `most_frequent` says which."""
    counts = collections.Counter()
    for text in texts:
      codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
      found, times = np.unique(codes, return_counts=True)
      counts.update(dict(zip(found.tolist(), times.tolist(), strict=True)))
    kept = sorted(most_frequent(counts, size - 1, min_count))
    return cls("".join(map(chr, kept)))

  @property
  def symbols(self) -> str:
    """What `restore` makes it of again."""
    return self.characters

  def __len__(self) -> int:
    """Number of symbols, the unknown one included."""
    return len(self._codes) + 1

  @staticmethod
  def split(text: str) -> list[str]:
    """The tokens of a text."""
    return list(text)

  def encode(self, text: str) -> np.ndarray:
    """Symbol numbers [t] int32, one a character."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    if not len(self._codes):
      return np.zeros(len(codes), np.int32)
    place = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
    known = self._codes[place] == codes
    return np.where(known, place + 1, self.unknown_symbol).astype(np.int32)

  def decode(self, symbols: Iterable[Any]) -> str:
    """The text of symbol numbers; the unknown symbol reads as U+FFFD."""
    return "".join(
      self.characters[s - 1] if s else "\ufffd" for s in map(int, symbols)
    )

  def unknown(self, text: str) -> list[str]:
    """The distinct characters of a text that are not in the vocabulary."""
    return sorted(set(text) - set(self.characters))


class ByteVocabulary:
  """The bytes of the training split in ascending order; text is UTF-8.

  Number 0 is the unknown symbol: every byte that training never saw.
  """

  unknown_symbol = 0

  def __init__(self, values: bytes):
    if list(values) != sorted(set(values)):
      raise ValueError("bytes must be distinct and ascending")
    self.values = values
    self._numbers = np.zeros(256, np.int32)
    self._numbers[list(values)] = np.arange(1, len(values) + 1)

  @classmethod
  def from_text(cls, *texts: str | bytes) -> "ByteVocabulary":
    return cls.from_pieces(texts)

  @classmethod
  def from_pieces(
    cls, texts: Iterable[str | bytes], size: int = 0, min_count: int = 1
  ) -> "ByteVocabulary":
    """That of a text which comes piece by piece; `most_frequent` says which."""
    found = np.zeros(256, np.int64)
    for text in texts:
      found += np.bincount(_bytes(text), minlength=256)
    counts = {b: int(found[b]) for b in np.flatnonzero(found).tolist()}
    return cls(bytes(sorted(most_frequent(counts, size - 1, min_count))))

  @property
  def symbols(self) -> dict[str, list[int]]:
    """What `restore` makes it of again."""
    return {"bytes": list(self.values)}

  def __len__(self) -> int:
    """Number of symbols, the unknown one included."""
    return len(self.values) + 1

  @staticmethod
  def split(text: str | bytes) -> list[str]:
    """The tokens of a text, those that are not ASCII as \\x and two digits."""
    return [chr(b) if b < 128 else f"\\x{b:02x}" for b in _bytes(text).tolist()]

  def encode(self, text: str | bytes) -> np.ndarray:
    """Symbol numbers [t] int32, one a byte."""
    return self._numbers[_bytes(text)]

  def decode(self, symbols: Iterable[Any]) -> str:
    """The text; what is no UTF-8, and the unknown symbol, reads as U+FFFD."""
    return self.to_bytes(symbols).decode("utf-8", "replace")

  def to_bytes(self, symbols: Iterable[Any]) -> bytes:
    """The bytes of symbol numbers; the unknown symbol is 255, no UTF-8."""
    values = b"\xff" + self.values
    return bytes(values[int(s)] for s in symbols)

  def unknown(self, text: str | bytes) -> list[str]:
    """The distinct bytes of a text that are not in the vocabulary."""
    known = set(self.values)
    return sorted(
      {
        token
        for token, value in zip(self.split(text), _bytes(text), strict=True)
        if int(value) not in known
      }
    )


def _bytes(text):
  if isinstance(text, str):  # bytes of a command line that are no UTF-8 too
    text = text.encode("utf-8", "surrogateescape")
  return np.frombuffer(text, np.uint8)


Vocabulary = CharVocabulary | ByteVocabulary | WordVocabulary


def first_symbol(vocabulary: Vocabulary) -> np.ndarray:
  """What a text without a beginning goes on from, [1] int32: a line end, or the
  first known symbol where training saw none."""
  if not vocabulary.unknown("\n"):
    return vocabulary.encode("\n")
  unknown = vocabulary.unknown_symbol
  return np.array([0 if unknown else 1], np.int32)


def encode_prompt(vocabulary: Vocabulary, prompt: str) -> np.ndarray:
  """The symbols of a prompt [t]; of an empty one what a text begins with.

  Raises:
    DataError: the vocabulary lacks some of its characters or words, or there is
      no word in it.
  """
  if not prompt:
    return first_symbol(vocabulary)
  if unknown := vocabulary.unknown(prompt):
    raise DataError(
      "the prompt: the model's vocabulary lacks "
      + ", ".join(repr(token) for token in unknown[:10])
      + (" and others" if len(unknown) > 10 else "")
    )
  symbols = vocabulary.encode(prompt)
  if not len(symbols):
    raise DataError("the prompt: no word in it; leave it out to start anew")
  return symbols


# What moves a terminal's cursor or worse, but line ends and tabs, as the signs
# that Unicode has for it.
_SIGNS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_SIGNS |= {127: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def visible(text: str) -> str:
  """A text that a terminal may show: a bare CR would overwrite its line."""
  return text.replace("\r\n", "\n").translate(_SIGNS)


def decode_blocks(
  vocabulary: Vocabulary, blocks: Iterable[np.ndarray], before: str = ""
) -> Iterator[str]:
  """The text of each block of symbols as it comes; what belongs to two, as a
  character of several bytes, comes with the second.

  before: a space, if words go on from one.
  """
  if isinstance(vocabulary, ByteVocabulary):
    pieces = map(vocabulary.to_bytes, blocks)
    return codecs.iterdecode(pieces, "utf-8", "replace")
  if isinstance(vocabulary, WordVocabulary):
    return vocabulary.decode_blocks(blocks, before)
  return map(vocabulary.decode, blocks)


def restore(symbols: Any) -> Vocabulary:
  """The vocabulary that has these `symbols`.

  Raises:
    ValueError: no vocabulary does.
  """
  if isinstance(symbols, str):
    return CharVocabulary(symbols)
  if isinstance(symbols, dict) and isinstance(symbols.get("bytes"), list):
    try:
      return ByteVocabulary(bytes(symbols["bytes"]))
    except TypeError as error:
      raise ValueError(f"bytes: {error}") from None
  return WordVocabulary.restore(symbols)
