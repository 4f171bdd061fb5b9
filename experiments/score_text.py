"""`evaluate --score`: the nats of every token of a text."""

import json
import os
from typing import Any

import numpy as np
from absl import flags

from experiments.evaluate_runs import shown
from lstm_jax.data.text import read_text_file
from lstm_jax.data.vocabulary import first_symbol
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.metrics.sums import Sums
from lstm_jax.run.load import Run, load_checkpoint
from lstm_jax.search.sample import score_tokens


def score_text(run: Run, text: Any) -> np.ndarray:
  """Nats of every token [t], the text taken to follow `first_symbol`."""
  assert run.vocabulary, "of a model of text"
  symbols = run.vocabulary.encode(text)
  start = first_symbol(run.vocabulary)
  return score_tokens(run.model, np.concatenate([start, symbols]))


def print_score(values: flags.FlagValues, trial: int):
  """A line a token, and the text's scores.

  Raises:
    ConfigError: the run is not of text.
    DataError: there is no such text, or nothing in it.
  """
  run, _ = load_checkpoint(values.workdir, values.checkpoint, trial)
  task: Any = run.config.task
  vocabulary: Any = run.vocabulary
  if vocabulary is None:
    raise ConfigError("--score: the run was not trained on text; leave it out")
  if not os.path.isfile(os.path.expanduser(values.score)):
    raise DataError(f"--score={values.score}: no such file; give one text file")
  text = read_text_file(values.score, task.as_bytes)
  nats, tokens = score_text(run, text), vocabulary.split(text)
  if not tokens:
    raise DataError(f"{values.score}: no word in it")
  for value, word in zip(nats, tokens, strict=True):
    print(f"{value:.4f}\t{json.dumps(word, ensure_ascii=False)}")
  sums = Sums(float(nats.sum()), len(nats))
  scores = {f"{task.token}s": len(nats), **task.scores(sums)}
  if unknown := set(vocabulary.unknown(text)):
    found = sum(word in unknown for word in tokens)
    scores[f"unknown_{task.token}s"] = found
  print("\n".join(score_lines(scores)))


def score_lines(scores: dict, between: str = ": ") -> list[str]:
  """Scores as a person reads them."""
  return [
    name.replace("_", " ") + between + shown(value)
    for name, value in scores.items()
  ]
