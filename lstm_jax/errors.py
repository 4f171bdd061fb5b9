"""Errors a user can mend. Commands print them as one line and exit with 2."""


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
