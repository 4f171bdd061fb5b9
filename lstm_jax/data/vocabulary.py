"""Characters as numbers."""

import numpy as np


class CharVocabulary:
  """The characters of the training split in code point order.

  Number 0 is the unknown symbol: every character that training never saw.
  """

  UNKNOWN = 0

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

  def __len__(self) -> int:
    """Number of symbols, the unknown one included."""
    return len(self._codes) + 1

  def encode(self, text: str) -> np.ndarray:
    """Symbol numbers [t] int32, one a character."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    if not len(self._codes):
      return np.zeros(len(codes), np.int32)
    place = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
    known = self._codes[place] == codes
    return np.where(known, place + 1, self.UNKNOWN).astype(np.int32)

  def decode(self, symbols) -> str:
    """The text of symbol numbers; the unknown symbol reads as U+FFFD."""
    return "".join(
      self.characters[s - 1] if s else "\ufffd" for s in map(int, symbols)
    )

  def unknown(self, text: str) -> list[str]:
    """The distinct characters of a text that are not in the vocabulary."""
    return sorted(set(text) - set(self.characters))
