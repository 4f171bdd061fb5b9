"""`evaluate --score`: the nats of every token of a text."""

import json
import os

import numpy as np

from experiments.evaluate_runs import shown
from lstm_jax.data.text import read_text_file
from lstm_jax.data.vocabulary import first_symbol
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.metrics.sums import Sums
from lstm_jax.run.load import Run, load_checkpoint
from lstm_jax.search.sample import score_tokens


def score_text(run: Run, text: str | bytes) -> np.ndarray:
  """Nats of every token [t], the text taken to follow `first_symbol`."""
  symbols = run.vocabulary.encode(text)
  start = first_symbol(run.vocabulary)
  return score_tokens(run.model, np.concatenate([start, symbols]))


def print_score(values, trial: int):
  """A line a token, and the text's scores.

  Raises:
    ConfigError: the run is not of text.
    DataError: there is no such text, or nothing in it.
  """
  run, _ = load_checkpoint(values.workdir, values.checkpoint, trial)
  if run.vocabulary is None:
    raise ConfigError("--score: the run was not trained on text; leave it out")
  if not os.path.isfile(os.path.expanduser(values.score)):
    raise DataError(f"--score={values.score}: no such file; give one text file")
  text = read_text_file(values.score, run.config.task.as_bytes)
  nats = score_text(run, text)
  tokens, token = run.vocabulary.split(text), run.config.task.token
  if not tokens:
    raise DataError(f"{values.score}: no word in it")
  for value, word in zip(nats, tokens, strict=True):
    print(f"{value:.4f}\t{json.dumps(word, ensure_ascii=False)}")
  sums = Sums(float(nats.sum()), len(nats))
  scores = {f"{token}s": len(nats), **run.config.task.scores(sums)}
  if unknown := set(run.vocabulary.unknown(text)):
    scores[f"unknown_{token}s"] = sum(word in unknown for word in tokens)
  print("\n".join(score_lines(scores)))


def score_lines(scores: dict, between: str = ": ") -> list[str]:
  """Scores as a person reads them."""
  return [
    name.replace("_", " ") + between + shown(value)
    for name, value in scores.items()
  ]
