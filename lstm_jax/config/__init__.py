"""The config of an experiment: `Config` and what is done with one."""

from lstm_jax.config.config import (
  Config,
  RunConfig,
  TrainConfig,
  fields,
  show,
  type_name,
  validate,
)
from lstm_jax.config.saved import from_json, to_json

__all__ = [
  "Config",
  "RunConfig",
  "TrainConfig",
  "fields",
  "from_json",
  "show",
  "to_json",
  "type_name",
  "validate",
]
