"""The continual embedded Reber grammar: its strings one after another.

Gers, Schmidhuber & Cummins 2000, Learning to Forget: Continual Prediction with
LSTM, Neural Computation 12(10). Strings of the embedded grammar follow each
other without end and nothing resets the state. The next symbol is to be
predicted at every step, B after each E included; a step is right if all
symbols that can follow are above all others. (The paper takes a step for right
if no output has a squared error of 0.49 or more.) A sequence is the first
`length` steps of such a stream.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Key
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.embedded_reber import SYMBOLS, embedded_grammar
from lstm_jax.tasks.sequence_task import (
  Example,
  SequenceTaskConfig,
  class_targets,
)


@dataclasses.dataclass(slots=True)
class ContinualReberConfig(SequenceTaskConfig):
  """`tolerance` is not used, as several symbols can be right."""

  RANGES: ClassVar = SequenceTaskConfig.RANGES | {"length": (1, 10**7)}
  CHOICES: ClassVar = {
    "loss": ("squared_error", "cross_entropy"),
    "judge": ("all", "outer"),
  }

  UNUSED: ClassVar = ("tolerance",)
  asks: ClassVar = "next"

  name: str = "continual_reber"
  # "squared_error" of one-hot symbols, or "cross_entropy"
  loss: str = "squared_error"
  # sequences of the validation split, and of the test split
  evaluation_sequences: int = 256
  # steps of a sequence
  length: int = 1000
  # the steps that are judged: "all", or "outer", those before the second T or P
  # of a string, which take memory
  judge: str = "all"

  def sizes(self) -> Spec:
    return Spec("tokens", len(SYMBOLS), len(SYMBOLS))

  def sample(self, key: Key[Array, ""]) -> Example:
    grammar = embedded_grammar()
    following, symbol = jnp.asarray(grammar.next), jnp.asarray(grammar.symbol)

    def step(state, edge):
      return following[state, edge], (symbol[state, edge], state)

    edges = jax.random.randint(key, (self.length + 1,), 0, 2)
    start = jnp.zeros((), following.dtype)
    _, (stream, state) = jax.lax.scan(step, start, edges)
    return Example(
      inputs=stream[:-1],
      targets=class_targets(self.loss, stream[1:], len(SYMBOLS)),
      weights=jnp.ones(self.length),
      mask=jnp.ones(self.length, bool),
      accepted=jnp.asarray(grammar.legal)[state[1:]],
      judged=None
      if self.judge == "all"
      else jnp.asarray(grammar.outer)[state[1:]],
    )
