"""Characters and words as numbers."""

import collections
from typing import Any

import numpy as np


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
  def from_text(cls, text: str) -> "CharVocabulary":
    codes = np.unique(np.frombuffer(text.encode("utf-32-le"), np.uint32))
    return cls(codes.tobytes().decode("utf-32-le"))

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

  def decode(self, symbols) -> str:
    """The text of symbol numbers; the unknown symbol reads as U+FFFD."""
    return "".join(
      self.characters[s - 1] if s else "\ufffd" for s in map(int, symbols)
    )

  def unknown(self, text: str) -> list[str]:
    """The distinct characters of a text that are not in the vocabulary."""
    return sorted(set(text) - set(self.characters))


class WordVocabulary:
  """The words of the training split, the most frequent first.

  Words are what stands between white space; a line ends with the word <eos>.
  Words that training never saw are <unk>, which the vocabulary has even where
  the text has not: the corpora of Mikolov et al. 2010 and Merity et al. 2016
  have it in place of rare words.
  """

  UNKNOWN, END = "<unk>", "<eos>"

  def __init__(self, words: list[str]):
    self.symbols = words
    self._numbers = {word: number for number, word in enumerate(words)}
    if len(self._numbers) != len(words) or self.UNKNOWN not in self._numbers:
      raise ValueError(f"words must be distinct and {self.UNKNOWN} among them")
    self.unknown_symbol = self._numbers[self.UNKNOWN]

  @classmethod
  def from_text(cls, text: str) -> "WordVocabulary":
    counts = collections.Counter(cls.split(text))
    counts.setdefault(cls.UNKNOWN, 0)
    return cls(sorted(counts, key=lambda word: (-counts[word], word)))

  def __len__(self) -> int:
    """Number of words, <unk> and <eos> included."""
    return len(self.symbols)

  @classmethod
  def split(cls, text: str) -> list[str]:
    """The tokens of a text."""
    return text.replace("\n", f" {cls.END} ").split()

  def encode(self, text: str) -> np.ndarray:
    """Symbol numbers [t] int32, one a word or line end."""
    number, unknown = self._numbers.get, self.unknown_symbol
    return np.array([number(w, unknown) for w in self.split(text)], np.int32)

  def decode(self, symbols) -> str:
    """The text of symbol numbers, a space after each word."""
    words = (self.symbols[int(symbol)] for symbol in symbols)
    return "".join("\n" if w == self.END else f"{w} " for w in words)

  def unknown(self, text: str) -> list[str]:
    """The distinct words of a text that are not in the vocabulary."""
    return sorted(set(self.split(text)) - self._numbers.keys())


Vocabulary = CharVocabulary | WordVocabulary


def restore(symbols: Any) -> Vocabulary:
  """The vocabulary that has these `symbols`, a text or a list of words.

  Raises:
    ValueError: no vocabulary does.
  """
  if isinstance(symbols, str):
    return CharVocabulary(symbols)
  if not isinstance(symbols, list) or not all(
    isinstance(word, str) for word in symbols
  ):
    raise ValueError("neither characters nor a list of words")
  return WordVocabulary(symbols)
