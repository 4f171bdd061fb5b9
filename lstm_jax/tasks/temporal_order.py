"""Temporal order: classify a sequence by the order of the X and Y in it.

Hochreiter & Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9(8),
Experiments 6a (two relevant symbols, 4 classes) and 6b (three, 8 classes). A
sequence is E, then a, b, c and d at random, then B, of 100 to 110 symbols in
all; X or Y stands at one of the steps 10-20 and one of 50-60 (6a), or 10-20,
33-43 and 66-76 (6b). Steps are counted from 0, that of E, which the paper
leaves open. The class is asked for at B. XX, XY, YX, YY are 0, 1, 2, 3.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, Key
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import (
  Example,
  SequenceTaskConfig,
  asked_at_the_end,
  class_targets,
)

SYMBOLS = "EBabcdXY"
FIRST_STEPS = {2: (10, 50), 3: (10, 33, 66)}  # of windows of 11 steps


@dataclasses.dataclass(slots=True)
class TemporalOrderConfig(SequenceTaskConfig):
  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "relevant": (2, 3),
    "length": (10, 10**6),
  }
  CHOICES: ClassVar = {"loss": ("squared_error", "cross_entropy")}

  name: str = "temporal_order"
  # "squared_error" of one-hot classes, or "cross_entropy"
  loss: str = "squared_error"
  # squared_error: a sequence is right if no output is off by more than this
  tolerance: float = 0.3
  # how many symbols matter: 2 is Experiment 6a, 3 is 6b
  relevant: int = 2
  # there are so many to 1.1 times as many steps; the paper's is 100, and where
  # the relevant symbols may stand grows and shrinks with it
  length: int = 100

  def sizes(self) -> Spec:
    return Spec("tokens", len(SYMBOLS), 2**self.relevant)

  def sample(self, key: Key[Array, ""]) -> Example:
    t, r = self.length, self.relevant
    longest = t + t // 10
    of_place, of_choice, of_rest = jax.random.split(key, 3)
    first = np.array(FIRST_STEPS[r])
    least = np.append(first * t // 100, t)
    above = np.append((first + 10) * t // 100, longest) + 1
    *places, length = jax.random.randint(of_place, (r + 1,), least, above)
    choice = jax.random.randint(of_choice, (r,), 0, 2)
    rest = jax.random.randint(of_rest, (longest,), 2, 6)
    step = jnp.arange(longest)
    symbol = jnp.where(step == 0, 0, jnp.where(step == length - 1, 1, rest))
    label = jnp.zeros((), choice.dtype)
    for place, y in zip(places, choice, strict=True):
      symbol = jnp.where(step == place, 6 + y, symbol)
      label = 2 * label + y
    return asked_at_the_end(
      symbol, class_targets(self.loss, label, 2**r), length
    )
