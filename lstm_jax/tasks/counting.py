"""Counting: predict the next symbol of a^n b^n, or of a^n b^n c^n.

Gers & Schmidhuber 2001, LSTM Recurrent Networks Learn Simple Context-Free and
Context-Sensitive Languages, IEEE Transactions on Neural Networks 12(6). A
string is read after a start symbol S, and an end symbol T is to be predicted
after it, so that inputs are S, a, b (, c) and outputs a, b (, c), T. Legal are
a after S; a and b after each a; b after a b until there are n, then c or T; c
after a c until there are n, then T. A string is right if every step is.

With the losses "squared_error" and "binary" the targets are 1 for all legal
symbols and 0 for the others, and a step is right if every output is on the
right side of 0.5: the paper's rule, with 0 and 1 where it has -1 and 1. With
"cross_entropy" the target is the next symbol, and a step is right if all legal
symbols are above all others. The empty string is left out.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Key
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import Example, SequenceTaskConfig


@dataclasses.dataclass(slots=True)
class CountingConfig(SequenceTaskConfig):
  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "letters": (2, 3),
    "smallest": (1, 10**6),
    "largest": (1, 10**6),
  }
  asks: ClassVar = "next"

  name: str = "counting"
  # "squared_error" or "binary" of the legal symbols, or "cross_entropy"
  loss: str = "squared_error"
  # squared_error: a sequence is right if no output is off by more than this
  tolerance: float = 0.5
  # 2 for a^n b^n, 3 for a^n b^n c^n
  letters: int = 2
  # n is uniform from this
  smallest: int = 1
  # to this; both the same ask for one n
  largest: int = 10

  def check(self):
    if self.smallest > self.largest:
      raise ConfigError(
        f"task.smallest: must be at most task.largest {self.largest}, got"
        f" {self.smallest}"
      )

  def sizes(self) -> Spec:
    return Spec("tokens", self.letters + 1, self.letters + 1)

  def sample(self, key: Key[Array, ""]) -> Example:
    n = jax.random.randint(key, (), self.smallest, self.largest + 1)
    step = jnp.arange(1 + self.letters * self.largest)
    mask = step <= self.letters * n
    # Inputs are S a b c as 0 1 2 3, outputs a b c T as 0 1 2 3.
    inputs = jnp.where(step == 0, 0, 1 + (step - 1) // n)
    targets = step // n
    inputs, targets = (jnp.where(mask, a, 0) for a in (inputs, targets))
    after_a = (inputs == 1)[:, None] & (jnp.arange(self.letters + 1) < 2)
    legal = jax.nn.one_hot(targets, self.letters + 1, dtype=bool) | after_a
    weights = jnp.where(mask, 1.0, 0.0)
    if self.loss == "cross_entropy":
      return Example(inputs, targets, weights, mask, accepted=legal)
    return Example(inputs, legal.astype(weights.dtype), weights, mask)
