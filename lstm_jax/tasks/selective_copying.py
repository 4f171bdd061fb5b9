"""Selective copying: say again the symbols that lay among blanks."""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Key
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import Example, SequenceTaskConfig
from lstm_jax.tasks.subsets import subset


@dataclasses.dataclass(slots=True)
class SelectiveCopyingConfig(SequenceTaskConfig):
  """k symbols at random places among T steps, blanks elsewhere; then k times
  the delimiter, where the symbols are due in their order. The loss counts only
  there.

  Jing et al. 2019, "Gated orthogonal recurrent units: on learning to forget",
  Neural Computation 31(4) (as the denoise task); Gu & Dao 2023, arXiv
  2312.00752 (T 4096, 16 symbols copied).

  Inputs: 0 is blank, 1 .. symbols, and the delimiter; outputs count
  the symbols from 0.
  """

  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "length": (1, 10**6),
    "symbols": (2, 10**4),
    "copied": (1, 10**4),
  }
  CHOICES: ClassVar = SequenceTaskConfig.CHOICES | {"loss": ("cross_entropy",)}

  asks: ClassVar = "steps"

  name: str = "selective_copying"
  # T, steps with symbols and blanks
  length: int = 256
  # how many symbols there are
  symbols: int = 14
  # k, how many are to be copied
  copied: int = 16

  def check(self):
    if self.copied > self.length:
      raise ConfigError(
        f"task.copied: {self.copied} symbols do not fit in task.length"
        f" {self.length}; at most {self.length}"
      )

  def sizes(self) -> Spec:
    return Spec("tokens", self.symbols + 2, self.symbols)

  def sample(self, key: Key[Array, ""]) -> Example:
    place_key, symbols_key = jax.random.split(key)
    k = self.copied
    symbols = jax.random.randint(symbols_key, (k,), 0, self.symbols, jnp.int32)
    places = jnp.sort(subset(place_key, self.length, k))
    inputs = jnp.zeros((self.length + k,), jnp.int32)
    inputs = inputs.at[places].set(symbols + 1)
    inputs = inputs.at[self.length :].set(self.symbols + 1)
    recall = jnp.arange(self.length + k) >= self.length
    return Example(
      inputs=inputs,
      targets=jnp.pad(symbols, (self.length, 0)),
      weights=recall.astype(jnp.float32),
      mask=jnp.ones_like(recall),
    )

  def memoryless_loss(self) -> float:
    """The loss of a guess: ln(symbols) at each step that counts."""
    return math.log(self.symbols)
