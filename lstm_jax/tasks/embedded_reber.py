"""The embedded Reber grammar: predict the next symbol of its strings.

Hochreiter & Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9(8),
Experiment 1. A string is B, T or P, a string of the Reber grammar, the same T
or P again, and E; wherever two symbols can follow, each does half the time. A
step is right if all symbols that can follow are above all others.

A data set has 256 training strings, drawn independently, so that short ones
occur more than once, and 256 test strings, drawn likewise but for those among
the training strings. The paper has three such sets and asks for all 512 strings
to be right, which is the validation split here. Training goes through the
strings in a new order each time, where the paper picks them at random.
"""

import dataclasses
import hashlib
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np

from lstm_jax.array_types import Bool, Int
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import Example, SequenceTaskConfig, StoredTask

SYMBOLS = "BTPSXVE"
# The Reber grammar: the edges that leave each state, to the state named. It
# ends in state 7.
REBER = ("B1", "T2 P3", "S2 X4", "T3 V5", "X3 S6", "P4 V6", "E7")


@dataclasses.dataclass(slots=True)
class EmbeddedReberConfig(SequenceTaskConfig):
  """`evaluation_sequences` is not used, the splits have their own sizes; nor is
  `tolerance`, as several symbols can be right."""

  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "data_set": (0, 2**32 - 1),
    "strings": (1, 10**6),
  }
  CHOICES: ClassVar = {"loss": ("squared_error", "cross_entropy")}

  UNUSED: ClassVar = ("tolerance", "evaluation_sequences")
  asks: ClassVar = "next"

  name: str = "embedded_reber"
  # "squared_error" of one-hot symbols, or "cross_entropy"
  loss: str = "squared_error"
  # which data set: the seed of its strings
  data_set: int = 0
  # training strings, and as many test strings
  strings: int = 256

  def sizes(self) -> Spec:
    return Spec("tokens", len(SYMBOLS), len(SYMBOLS))

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> StoredTask:
    train, test = data_set(self.data_set, self.strings)
    everything = as_examples(train + test, self.loss)
    cut = len(train)
    examples = {
      "train": jax.tree.map(lambda a: a[:cut], everything),
      "valid": everything,
      "test": jax.tree.map(lambda a: a[cut:], everything),
    }
    record = {
      "corpus": f"generated: {self.name}, data set {self.data_set}",
      "sequences": {k: len(e.mask) for k, e in examples.items()},
      "longest": everything.mask.shape[1],
      "strings_sha256": hashlib.sha256(
        "\n".join(train + test).encode()
      ).hexdigest(),
    }
    return StoredTask(self, batch_size, examples, record)


class Grammar(NamedTuple):
  """The embedded grammar, whose last state is followed by the first."""

  symbol: Int[np.ndarray, "states 2"]  # what an edge says; twice if only one
  next: Int[np.ndarray, "states 2"]  # where it leads
  legal: Bool[np.ndarray, "states 7"]  # symbols on a state's edges
  outer: Bool[np.ndarray, "states"]  # states that await the second T or P


def embedded_grammar() -> Grammar:
  """State 0 awaits B and state 1 T or P. There is a copy of the Reber grammar
  for each, whose end awaits the same again. The last state awaits E."""
  copies = {"T": 2, "P": 10}
  last = 18
  states = ["B1", " ".join(f"{c}{start}" for c, start in copies.items())]
  for c, start in copies.items():
    for edges in REBER:
      states.append(
        " ".join(f"{e[0]}{start + int(e[1:])}" for e in edges.split())
      )
    states.append(f"{c}{last}")
  states.append("E0")
  pairs = [(edges.split() * 2)[:2] for edges in states]
  symbol = np.array([[SYMBOLS.index(e[0]) for e in pair] for pair in pairs])
  legal = np.zeros((len(states), len(SYMBOLS)), bool)
  np.put_along_axis(legal, symbol, True, axis=1)
  return Grammar(
    symbol=symbol,
    next=np.array([[int(e[1:]) for e in pair] for pair in pairs]),
    legal=legal,
    outer=np.isin(np.arange(len(states)), [s + 7 for s in copies.values()]),
  )


def data_set(seed: int, count: int) -> tuple[list[str], list[str]]:
  """So many training strings, and as many others that are not among them."""
  random, grammar = np.random.default_rng(seed), embedded_grammar()
  train = [draw_string(random, grammar) for _ in range(count)]
  known, test = set(train), []
  while len(test) < count:
    string = draw_string(random, grammar)
    if string not in known:
      test.append(string)
  return train, test


def draw_string(random: np.random.Generator, grammar: Grammar) -> str:
  state, string = 0, ""
  while not string or state:
    edge = random.integers(2)
    string += SYMBOLS[grammar.symbol[state, edge]]
    state = grammar.next[state, edge]
  return string


def as_examples(strings: list[str], loss: str) -> Example:
  """Examples [n t ...] that predict each symbol but the first, padded."""
  grammar = embedded_grammar()
  n, t = len(strings), max(map(len, strings)) - 1
  inputs, targets = np.zeros((2, n, t), np.int32)
  mask = np.zeros((n, t), bool)
  accepted = np.zeros((n, t, len(SYMBOLS)), bool)
  for row, string in enumerate(strings):
    symbols = [SYMBOLS.index(c) for c in string]
    steps = len(string) - 1
    inputs[row, :steps], targets[row, :steps] = symbols[:-1], symbols[1:]
    mask[row, :steps] = True
    state = 0
    for step, symbol in enumerate(symbols[:-1]):
      edge = list(grammar.symbol[state]).index(symbol)
      state = grammar.next[state, edge]
      accepted[row, step] = grammar.legal[state]
  if loss == "squared_error":
    targets = np.eye(len(SYMBOLS), dtype=np.float32)[targets]
  return Example(inputs, targets, mask.astype(np.float32), mask, accepted)
