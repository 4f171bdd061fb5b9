"""Another model than the config file's, on the command line."""

import pytest
from absl import flags

from experiments.command_line import (
  load_config_file,
  new_flags,
  parse_config,
)
from lstm_jax import config as config_lib
from lstm_jax.errors import ConfigError
from lstm_jax.models.registry import MODELS

TINY = "--config=configs/char_lm.py:tiny"


def parse(*words):
  values = new_flags()
  flags.DEFINE_string("workdir", None, "run directory", flag_values=values)
  return parse_config(["train", *words], values, "Trains.")


WINDOW = "--config.model.name=window"


def test_another_model_takes_over_what_both_have():
  config = parse("--workdir=x", TINY, WINDOW, "--config.model.window=3")
  file = load_config_file("configs/char_lm.py:tiny").model
  assert type(config.model) is MODELS["window"] and config.model.window == 3
  assert config.model.hidden_sizes == file.hidden_sizes
  assert config.model.embedding_size == file.embedding_size
  assert config_lib.from_json(config_lib.to_json(config)) == config
  # Rates that a feed-forward network has no place for are the file's.
  dropped = parse("--workdir=x", "--config=configs/awd_lstm.py:tiny", WINDOW)
  rates = load_config_file("configs/awd_lstm.py:tiny").model.dropout
  assert rates.weight and not dropped.model.dropout.weight
  assert dropped.model.dropout.output == rates.output > 0
  same = parse("--workdir=x", TINY, "--config.model.name=language_model")
  assert same == parse("--workdir=x", TINY)


@pytest.mark.parametrize(
  "words, message",
  [
    ((WINDOW, "--config.model.cell=gru"), 'unknown config field "model.cell"'),
    ((WINDOW, "--config.model.dropout.weight=0.5"), "nothing it could act on"),
    (
      (WINDOW, "--config.run.devices=2", "--config.run.model_parallel=2"),
      "is for a language_model",
    ),
    ((WINDOW, "--config.train.update_every=step"), "one layer of lstm_1997"),
    ((WINDOW, "--config.train.recurrent_from=5"), 'for a "sequence_model"'),
    (("--config.model.name=sequence_model",), 'take "language_model" or "win'),
    (("--config.model.name=windo",), 'did you mean "window"'),
    (("--config.model.name",), "model.name: must be text"),
  ],
)
def test_models_that_do_not_fit(words, message):
  with pytest.raises(ConfigError, match=message):
    parse("--workdir=x", TINY, *words)
