"""The Reber tasks against the grammar written as a regular expression, and the
counts of steps that are judged."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from task_checks import Output, assert_distribution, samples

from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Sizes
from lstm_jax.tasks.continual_reber import ContinualReberConfig
from lstm_jax.tasks.embedded_reber import (
  EmbeddedReberConfig,
  data_set,
  draw_string,
  embedded_grammar,
)

SYMBOLS = "BTPSXVE"
# After T: S*, then X leads to the lower part or S to the end; after P or X: T*,
# V, then P leads back to the upper part or V to the end.
REBER = "B(?:TS*(?:S|X{0})|P{0})E".format("T*V(?:PXT*V)*(?:V|PS)")
EMBEDDED = re.compile(f"B(?:T{REBER}T|P{REBER}P)E")


def letters(symbols):
  return "".join(SYMBOLS[s] for s in symbols)


def possible_strings(longest: int) -> set[str]:
  """All strings of the embedded grammar up to a length, from a search that
  knows the grammar by the expression alone."""
  inner = re.compile(REBER)
  found, front = set(), {"B"}
  grows = {"B": "TP", "T": "TSXVPE", "P": "TVXSPE", "S": "SXE"}
  grows |= {"X": "TSV", "V": "PVE"}
  while front:
    front = {s + c for s in front for c in grows[s[-1]] if len(s) < longest - 4}
    found |= {s for s in front if inner.fullmatch(s)}
    front = {s for s in front if s[-1] != "E"}
  return {f"B{o}{s}{o}E" for s in found for o in "TP"}


def test_strings_are_those_of_the_grammar():
  random, grammar = np.random.default_rng(0), embedded_grammar()
  drawn = [draw_string(random, grammar) for _ in range(20_000)]
  assert all(map(EMBEDDED.fullmatch, drawn))
  # The shortest are drawn with the probability of their choices.
  shortest = {"BTBTXSETE": 4, "BPBTXSEPE": 4, "BTBPVVETE": 4, "BPBPVVEPE": 4}
  shortest |= {"BTBTSXSETE": 5, "BPBPTVVEPE": 5, "BTBTXXVVETE": 6}
  counts = [drawn.count(s) for s in shortest]
  rest = len(drawn) - sum(counts)
  assert rest
  probabilities = [0.5**k for k in shortest.values()]
  assert_distribution([*counts, rest], [*probabilities, 1 - sum(probabilities)])
