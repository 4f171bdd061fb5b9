"""Errors a user can mend. Commands print them as one line and exit with 2."""

import difflib
from collections.abc import Iterable

_LONGEST = 300  # letters of a list of what is known


class UserError(Exception):
  """Says in one line what was wrong, where, and what to do."""

  def __str__(self):
    # What a user typed may hold anything; the message is one line all the same.
    text = super().__str__().encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else " " for c in text).strip()


class ConfigError(UserError):
  """A config field, file or command-line flag is wrong."""


class DataError(UserError):
  """A corpus or a text is missing, unreadable or too short."""


class RunError(UserError):
  """A run directory cannot be used as asked."""


class CheckpointError(RunError):
  """A checkpoint is missing, damaged or does not fit."""


def out_of_memory(error: Exception) -> str:
  """What to do where too little memory was found; "" for another error."""
  text = str(error)
  # Not any word of memory: JAX also speaks of kinds and layouts of it.
  told = "RESOURCE_EXHAUSTED" in text or "out of memory" in text.lower()
  if not (told or isinstance(error, MemoryError)):
    return ""
  reason = (text.splitlines() or ["no more is said"])[0][:200]
  return (
    f"out of memory: {reason}; lower train.batch_size, task.window or"
    " model.hidden_sizes"
  )


def suggest(word: str, known: Iterable) -> str:
  """ "; did you mean ...?" with the known word that is like it, or, where none
  is, what is known."""
  known = [str(k) for k in known if str(k)]
  if best := nearest(word, known):
    return f'; did you mean "{best}"?'
  text = ", ".join(known)
  if len(text) > _LONGEST:
    text = text[: text.rindex(", ", 0, _LONGEST)] + ", ..."
  return f"; known: {text}"


def nearest(word: str, known: list[str]) -> str | None:
  """The known word that `word` is likely to stand for.

  Of dotted names the last parts are compared, as the rest of the path may be
  long, and right in all of them, or wrong in this one.
  """

  def likeness(other, whole=False):
    pair = (word, other) if whole else (_last(word), _last(other))
    a, b = map(str.lower, pair)
    return difflib.SequenceMatcher(None, a, b).ratio()

  best = max(known, key=lambda k: (likeness(k), likeness(k, True)), default="")
  least = min(0.6, 1 - 1 / max(len(_last(word)), 2))  # of short ones one letter
  return best if likeness(best) >= least else None


def _last(name: str) -> str:
  return name.rsplit(".", 1)[-1]
