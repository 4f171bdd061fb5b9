"""Where a text may be cut: behind a word, and inside nothing that is one
character to its reader."""

import unicodedata

_JOINER = "\u200d"  # between emoji


def whole_cut(text: str | bytes, place: int, words: bool = False) -> int:
  """The first place from `place` on where a text may be cut.

  words: not inside a word, which is what stands between white space. Else not
    between a character and what changes or joins it, accents for example; and
    CR LF, of bytes too, stays together.
  """
  while 0 < place < len(text):
    pair = text[place - 1 : place + 1]
    if isinstance(pair, bytes):
      joined = pair == b"\r\n"
    elif words:
      joined = pair == "\r\n" or not any(c.isspace() for c in pair)
    else:
      joined = _is_one(*pair)
    if not joined:
      break
    place += 1
  return place


def _is_one(before: str, after: str) -> bool:
  """A few of the rules of Unicode's annex 29, on the safe side: flags that
  follow on each other, which are pairs of letters, all stay together."""
  return (
    before + after == "\r\n"
    or unicodedata.category(after)[0] == "M"
    or _JOINER in (before, after)
    or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin colours
    or "\U000e0020" <= after <= "\U000e007f"  # tags of regional flags
    or "\U0001f1e6" <= min(before, after) <= max(before, after) <= "\U0001f1ff"
    or "\u1160" <= after <= "\u11ff"  # parts of Korean syllables
  )
