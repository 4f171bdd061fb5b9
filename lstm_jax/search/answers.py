"""Whole answers, found in the way that a config says."""

from typing import Any

from lstm_jax.search.base import Prediction, SearchConfig
from lstm_jax.search.beam import beam_search
from lstm_jax.search.sample import sample_answers


def find_answers(
  model: Any,
  inputs: Any,
  config: SearchConfig,
  length: int,
  end: int,
  key: Any,
) -> Prediction:
  """Whole answers of a model; runs inside jit.

  length: the most symbols of an answer, where the config says none.
  end: the symbol that ends an answer.
  key: of draws, folded into the config's seed.
  """
  length = config.length or length
  if config.name == "beam":
    return beam_search(model, inputs, config, length, end)
  return sample_answers(model, inputs, config, length, end, key)
