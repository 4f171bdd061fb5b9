"""Words as numbers."""

import collections
import dataclasses
import re
import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

UNKNOWN, END = "<unk>", "<eos>"
# Of punctuation apart from words: where there was no white space.
GLUE = "\uffed"


def most_frequent[T: Hashable](
  counts: Mapping[T, int], size: int, min_count: int
) -> list[T]:
  """The `size` that occur most often (all below 0), the first in their own
  order where as often, and at least `min_count` times."""
  kept = [one for one, count in counts.items() if count >= min_count]
  kept.sort(key=lambda one: (-counts[one], one))
  return kept[:size] if size >= 0 else kept


@dataclasses.dataclass(frozen=True)
class WordSplit:
  """What a word is: what stands between white space; and each line end.

  lower: words in small letters.
  punctuation: marks and symbols are words of their own, with GLUE on the sides
    where no white space was, so that `join` puts them back; not underscores,
    nor apostrophes between letters. GLUE in a text is read as a space.
  """

  lower: bool = False
  punctuation: bool = False

  def split(self, text: str) -> list[str]:
    """The words of a text."""
    if self.lower:
      text = text.lower()
    if self.punctuation:
      text = _set_apart(text.replace(GLUE, " "))
    return text.replace("\n", f" {END} ").split()

  def join(self, text: str) -> str:
    """Text out of words with a space after each."""
    if not self.punctuation:
      return text
    return re.sub(f"{GLUE} ?{GLUE}| ?{GLUE} ?", "", text)


def _set_apart(text: str) -> str:
  marks = "".join(
    re.escape(c)
    for c in sorted(set(text))
    if unicodedata.category(c)[0] in "PS" and c != "_"
  )
  if not marks:
    return text
  mark = rf"(?!{UNKNOWN})(?<!{UNKNOWN[:-1]})(?!(?<=\w)['\u2019]\w)([{marks}])"
  text = re.sub(rf"{mark}(?=[^\s{marks}])", rf"\1{GLUE} ", text)
  return re.sub(rf"(?<=\S){mark}", rf" {GLUE}\1", text)


class WordVocabulary:
  """The words of the training split, the most frequent first.

  A line ends with the word <eos>. Words that the vocabulary lacks are <unk>,
  which it has even where the text has not: the corpora of Mikolov et al. 2010
  and Merity et al. 2016 have it in place of rare words.
  """

  def __init__(self, words: list[str], split: WordSplit = WordSplit()):
    self.words, self._split = words, split
    self._numbers = {word: number for number, word in enumerate(words)}
    if len(self._numbers) != len(words) or UNKNOWN not in self._numbers:
      raise ValueError(f"words must be distinct and {UNKNOWN} among them")
    self.unknown_symbol = self._numbers[UNKNOWN]

  @classmethod
  def from_text(cls, *texts: str) -> "WordVocabulary":
    return cls.from_pieces(texts)

  @classmethod
  def from_pieces(
    cls,
    texts: Iterable[str],
    size: int = 0,
    min_count: int = 1,
    split: WordSplit = WordSplit(),
  ) -> "WordVocabulary":
    """That of a text which comes piece by piece, cut between words.

    size: of the vocabulary, <unk> and <eos> included, which are always kept; 0
      is all words. `most_frequent` says which.
    """
    counts = collections.Counter()
    for text in texts:
      counts.update(split.split(text))
    always = {UNKNOWN: counts.pop(UNKNOWN, 0)}
    if END in counts:
      always[END] = counts.pop(END)
    room = size - len(always) if size else -1
    often = {w: counts[w] for w in most_frequent(counts, room, min_count)}
    always[UNKNOWN] += counts.total() - sum(often.values())
    return cls(most_frequent(often | always, -1, 0), split)

  @classmethod
  def restore(cls, symbols: Any) -> "WordVocabulary":
    """That with these `symbols`.

    Raises:
      ValueError: there is none.
    """
    split = {}
    if isinstance(symbols, dict):
      split = dict(symbols)
      symbols = split.pop("words", None)
    if not isinstance(symbols, list) or not all(
      isinstance(word, str) for word in symbols
    ):
      raise ValueError("neither characters nor a list of words")
    try:
      return cls(symbols, WordSplit(**split))
    except TypeError as error:
      raise ValueError(str(error)) from None

  @property
  def symbols(self) -> list[str] | dict[str, Any]:
    """What `restore` makes it of again."""
    if self._split == WordSplit():
      return self.words
    return {"words": self.words, **dataclasses.asdict(self._split)}

  def __len__(self) -> int:
    """Number of words, <unk> and <eos> included."""
    return len(self.words)

  def split(self, text: str) -> list[str]:
    """The tokens of a text."""
    return self._split.split(text)

  def encode(self, text: str) -> np.ndarray:
    """Symbol numbers [t] int32, one a word or line end."""
    number, unknown = self._numbers.get, self.unknown_symbol
    return np.array([number(w, unknown) for w in self.split(text)], np.int32)

  def decode(self, symbols: Iterable[Any]) -> str:
    """The text of symbol numbers, a space after each word."""
    return self._split.join(self._spaced(symbols))

  def decode_blocks(
    self, blocks: Iterable[np.ndarray], before: str = ""
  ) -> Iterator[str]:
    """The text of each block as it comes; the space behind its last word comes
    with the next, which may begin with a comma."""
    held = before
    for block in blocks:
      text = held + self._spaced(block)
      said = re.sub(rf"{GLUE}? ?\Z", "", text)
      held = text.removeprefix(said)
      yield self._split.join(said)
    yield self._split.join(held)

  def _spaced(self, symbols) -> str:
    words = (self.words[int(symbol)] for symbol in symbols)
    return "".join("\n" if w == END else f"{w} " for w in words)

  def unknown(self, text: str) -> list[str]:
    """The distinct words of a text that are not in the vocabulary."""
    return sorted(set(self.split(text)) - self._numbers.keys())
