"""Multiplication: output the product of the two values that are marked.

Hochreiter & Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9(8),
Experiment 5: as Experiment 4 (`adding`), with values in [0, 1] and the target
X1 X2. The first pair's value counts as one if it is marked.
"""

import dataclasses
from typing import ClassVar

from lstm_jax.array_types import Array, Key
from lstm_jax.tasks.adding import hochreiter_pairs
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import (
  Example,
  SequenceTaskConfig,
  asked_at_the_end,
)


@dataclasses.dataclass(slots=True)
class MultiplicationConfig(SequenceTaskConfig):
  RANGES: ClassVar = SequenceTaskConfig.RANGES | {"length": (11, 10**6)}
  CHOICES: ClassVar = {"loss": ("squared_error",)}

  name: str = "multiplication"
  loss: str = "squared_error"
  # squared_error: a sequence is right if its output is off by no more than this
  tolerance: float = 0.04
  # T: there are T to T + T/10 steps
  length: int = 100

  def sizes(self) -> Spec:
    return Spec("frames", 2, 1)

  def sample(self, key: Key[Array, ""]) -> Example:
    inputs, (x1, x2), length = hochreiter_pairs(
      key, self.length, low=0, neutral=1
    )
    return asked_at_the_end(inputs, (x1 * x2)[None], length)
