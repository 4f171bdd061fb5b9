"""Errors a user can mend. Commands print them as one line and exit with 2."""

import difflib


class UserError(Exception):
  """Says in one line what was wrong, where, and what to do."""

  def __str__(self):
    # What a user typed may hold anything; the message is one line all the same.
    text = super().__str__()
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
  """What to do where JAX found too little memory; "" for another error."""
  text = str(error)
  if "memory" not in text.lower():
    return ""
  reason = text.splitlines()[0][:200]
  return (
    f"out of memory: {reason}; lower train.batch_size, task.window or"
    " model.hidden_sizes"
  )


def suggest(word: str, known) -> str:
  """ "; did you mean ...?" with the nearest known word, or what is known."""
  known = [str(k) for k in known if str(k)]
  near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
  if not near:  # the last part may be right and the path wrong
    tail = word.rsplit(".", 1)[-1]
    near = [k for k in known if k.rsplit(".", 1)[-1] == tail][:1]
  if near:
    return f'; did you mean "{near[0]}"?'
  return "; known: " + ", ".join(known)
