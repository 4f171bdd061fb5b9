"""Two sequences: tell two classes apart by how a noisy sequence begins.

Hochreiter & Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9(8),
Experiment 3, after a task of Bengio, Simard & Frasconi 1994. There are T to
T + T/10 numbers. The first N are 1 in class 1 and -1 in class 2; the others
are normal with mean 0 and variance 0.2, which says nothing. The target, at the
last step, is 1 in class 1 and 0 in class 2.

noise "none"     Experiment 3a
      "signal"   3b: the same noise is added to the first N numbers
      "targets"  3c: 3a with the targets 0.2 and 0.8 and noise of variance 0.1
                 added to them; outputs are judged by the clean targets, and the
                 paper's tolerance is 0.1
"""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Key
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import (
  Example,
  SequenceTaskConfig,
  asked_at_the_end,
)

SIGNAL_VARIANCE, TARGET_VARIANCE = 0.2, 0.1


@dataclasses.dataclass(slots=True)
class TwoSequenceConfig(SequenceTaskConfig):
  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "length": (2, 10**6),
    "informative": (1, 10**6),
  }
  CHOICES: ClassVar = {
    "loss": ("squared_error",),
    "noise": ("none", "signal", "targets"),
  }

  name: str = "two_sequence"
  loss: str = "squared_error"
  # squared_error: a sequence is right if its output is off by no more than this
  tolerance: float = 0.2
  # T: there are T to T + T/10 steps
  length: int = 100
  # N: numbers at the start that say the class
  informative: int = 3
  # what is noisy besides the rest of the sequence: "none", "signal", "targets"
  noise: str = "none"

  def check(self):
    if self.informative > self.length:
      raise ConfigError(
        f"task.informative: must be at most task.length {self.length}, got"
        f" {self.informative}"
      )

  def sizes(self) -> Spec:
    return Spec("frames", 1, 1)

  def sample(self, key: Key[Array, ""]) -> Example:
    longest = self.length + self.length // 10
    of_class, of_length, of_rest, of_target = jax.random.split(key, 4)
    sign = jax.random.rademacher(of_class, (1,), float)
    length = jax.random.randint(of_length, (), self.length, longest + 1)
    rest = math.sqrt(SIGNAL_VARIANCE) * jax.random.normal(of_rest, (longest,))
    start = sign + rest if self.noise == "signal" else sign
    signal = jnp.where(jnp.arange(longest) < self.informative, start, rest)
    if self.noise != "targets":
      return asked_at_the_end(signal[:, None], (1 + sign) / 2, length)
    clean = 0.5 - 0.3 * sign
    noise = math.sqrt(TARGET_VARIANCE) * jax.random.normal(of_target, (1,))
    example = asked_at_the_end(signal[:, None], clean + noise, length)
    return example._replace(reference=jnp.broadcast_to(clean, (longest, 1)))
