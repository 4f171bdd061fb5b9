"""Published language models: their sizes and what their parts compute."""

import jax
import numpy as np
import pytest
from helpers import CONFIGS

from configs import cells_ptb
from experiments.command_line import load_config_file
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.models.base import parameter_count
from lstm_jax.tasks.base import Spec
from lstm_jax.training.optimizers import make_schedule
from lstm_jax.training.state import make_model

FOLDER = CONFIGS[0].parent
PTB = 10_000
EXACT = {
  # a recipe: its vocabulary, its parameters with our one bias a gate
  "gal_2016.py:medium": (PTB, 19_775_200),
  "gal_2016.py:large": (PTB, 66_022_000),
  "press_wolf_2017.py:small": (PTB, 2_651_600),
  "press_wolf_2017.py:large": (PTB, 51_022_000),
  "awd_lstm.py:ptb": (PTB, 24_210_800),
  "awd_lstm.py:wikitext2": (33_278, 33_545_278),
  "yang_2018.py": (PTB, 21_490_460),
  # the adaptive softmax has a head and clusters of 256, 64 and 16 features
  "wikitext103.py": (
    267_735,
    267_735 * 256
    + 4 * 1024 * (256 + 1024 + 1)
    + 1025 * 20_003
    + 1024 * 256
    + 257 * 40_000
    + 1024 * 64
    + 65 * 140_000
    + 1024 * 16
    + 17 * 67_735,
  ),
  # four blocks of 109,448, a gain of the output, and 100 symbols twice
  "xlstm.py": (100, 4 * 109_448 + 128 + 100 * (128 + 129)),
  "xlstm.py:enwik8": (205, 12 * 1_642_000 + 512 + 205 * (512 + 513)),
  # 240,321 in the author's code, with a second bias
  "char_rnn.py": (65, 240_321 - 2 * 4 * 128),
  "char_rnn.py:regularised": (
    65,
    4 * 256 * (65 + 256 + 1 + 256 + 256 + 1) + 65 * 257,
  ),
  "char_rnn.py:adam": (
    65,
    65 * 64 + 4 * 384 * (64 + 384 + 1 + 384 + 384 + 1) + 65 * 385,
  ),
}
ROUGHLY = {
  "awd_lstm.py:ptb_chars": (50, 13.8e6),
  "awd_lstm.py:enwik8": (205, 47e6),
  "melis_2018.py:10m": (PTB, 10e6),
  "melis_2018.py:24m": (PTB, 24e6),
  "mogrifier_2020.py": (PTB, 24e6),
  "mogrifier_2020.py:lstm": (PTB, 24e6),
  "krause_2016.py": (205, 21e6),
  "krause_2016.py:large": (205, 46e6),
}


def count(name, vocabulary):
  config = validate(load_config_file(f"{FOLDER}/{name}"))
  spec = Spec("text", vocabulary, vocabulary)
  shapes = jax.eval_shape(
    lambda: make_model(lambda rngs: config.model.build(spec, rngs), 0)[1]
  )
  return parameter_count(shapes)


@pytest.mark.parametrize("name", EXACT)
def test_published_parameter_counts(name):
  vocabulary, parameters = EXACT[name]
  assert count(name, vocabulary) == parameters


@pytest.mark.parametrize("name", ROUGHLY)
def test_parameter_counts_published_in_millions(name):
  vocabulary, parameters = ROUGHLY[name]
  assert count(name, vocabulary) == pytest.approx(parameters, rel=0.03)


@pytest.mark.parametrize("cell", cells_ptb.CELLS)
def test_compared_cells_have_equal_parameters(cell):
  found = count(f"cells_ptb.py:{cell}", PTB)
  assert found == pytest.approx(cells_ptb.PARAMETERS, rel=0.01)


def test_torch_counts_a_second_bias():
  config = load_config_file(f"{FOLDER}/awd_lstm.py:ptb")
  second = 4 * sum(config.model.hidden_sizes)
  assert EXACT["awd_lstm.py:ptb"][1] + second == 24_221_600


def test_the_rate_falls_at_its_milestones():
  config = load_config_file(f"{FOLDER}/awd_lstm.py:enwik8")
  epoch = config.train.validate_every
  schedule = make_schedule(config.optimizer, config.train.steps, epoch)
  for number, rate in ((0, 1), (24, 1), (25, 0.1), (34, 0.1), (35, 0.01)):
    for step in (number * epoch, (number + 1) * epoch - 1):
      np.testing.assert_allclose(schedule(step), 1e-3 * rate, rtol=1e-6)


@pytest.mark.parametrize(
  "changes, message",
  [
    ({"embedding_size": 0, "tied": True}, "model.tied: there is no embedding"),
    ({"experts": 2, "project": True}, "a projection of their own"),
    ({"latent_dropout": 0.1}, "no model.experts"),
    ({"sum_layers": True, "hidden_sizes": (3, 4)}, "of one width"),
  ],
)
def test_heads_that_cannot_be(changes, message):
  config = load_config_file(f"{FOLDER}/char_lm.py:tiny")
  for name, value in changes.items():
    setattr(config.model, name, value)
  with pytest.raises(ConfigError, match=message):
    validate(config)
