"""Errors a user can mend. Commands print them as one line and exit with 2."""


class UserError(Exception):
  """Says in one line what was wrong, where, and what to do."""


class ConfigError(UserError):
  """A config field, file or command-line flag is wrong."""


class DataError(UserError):
  """A corpus or a text is missing, unreadable or too short."""


class RunError(UserError):
  """A run directory cannot be used as asked."""


class CheckpointError(RunError):
  """A checkpoint is missing, damaged or does not fit."""
