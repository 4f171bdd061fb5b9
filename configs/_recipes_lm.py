"""What the recipes of language models share."""

from lstm_jax.config import Config
from lstm_jax.errors import ConfigError


def check_variant(variant: str, known) -> str:
  """The variant.

  Raises:
    ConfigError: there is no such one.
  """
  if variant not in known:
    raise ConfigError(f'no variant "{variant}"; there are {", ".join(known)}')
  return variant


def shrink(config: Config, width: int = 16) -> Config:
  """The same recipe on a network and a text that take seconds."""
  sizes = config.model.hidden_sizes
  if config.model.embedding_size:
    config.model.embedding_size = width
  config.model.hidden_sizes = (width,) * len(sizes)
  if config.model.options.rank:
    config.model.options.rank = 4
  if config.model.experts:
    config.model.experts = 3
  config.task.corpus = "stdlib"
  config.task.percent = (90, 5, 5)
  config.task.limit = 20_000
  config.task.window = 10
  if config.task.window_spread:
    config.task.window_spread = 2.0
  config.train.init_from = ""
  config.train.batch_size = config.train.validation_streams = 4
  config.train.steps, config.train.epochs = 40, 0
  config.train.validate_every = 20
  config.run.log_every, config.run.save_every = 5, 10
  config.run.sample_length = 50
  return config
