"""Copy memory: say again what was seen before a long pause."""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Key
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import Example, SequenceTaskConfig


@dataclasses.dataclass(slots=True)
class CopyMemoryConfig(SequenceTaskConfig):
  """k symbols, T - 1 blanks, the delimiter, k blanks; the answer, one symbol a
  step: T + k blanks, then the k symbols. The loss counts every step.

  Hochreiter & Schmidhuber 1997 (the idea); Arjovsky, Shah & Bengio 2016,
  "Unitary evolution recurrent neural networks", ICML ("fixed"); Tallec &
  Ollivier 2018, "Can recurrent neural networks warp time?", ICLR ("variable");
  Bai, Kolter & Koltun 2018, arXiv 1803.01271 ("bai").

  Inputs and outputs: 0 is blank, 1 .. symbols; of the inputs symbols + 1 is the
  delimiter.
  """

  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "length": (1, 10**6),
    "symbols": (2, 10**4),
    "copied": (1, 10**4),
  }
  CHOICES: ClassVar = SequenceTaskConfig.CHOICES | {
    "loss": ("cross_entropy",),
    "variant": ("fixed", "variable", "bai"),
  }

  asks: ClassVar = "steps"

  name: str = "copy_memory"
  # T, steps from the last symbol to the delimiter
  length: int = 100
  # how many symbols there are
  symbols: int = 8
  # k, how many are to be copied
  copied: int = 10
  # "fixed"; "variable", where each sequence draws its T from 1 .. length; or
  # "bai", where the delimiter stands for the last k blanks too
  variant: str = "fixed"

  def sizes(self) -> Spec:
    return Spec("tokens", self.symbols + 2, self.symbols + 1)

  def sample(self, key: Key[Array, ""]) -> Example:
    pause_key, symbols_key = jax.random.split(key)
    k, pause = self.copied, jnp.asarray(self.length)
    if self.variant == "variable":
      pause = jax.random.randint(pause_key, (), 1, self.length + 1)
    symbols = jax.random.randint(
      symbols_key, (k,), 1, self.symbols + 1, jnp.int32
    )
    step = jnp.arange(self.length + 2 * k)
    blank = jnp.zeros_like(step, jnp.int32)
    since = step - (pause + k - 1)
    marked = since >= 0 if self.variant == "bai" else since == 0
    inputs = jnp.where(marked, self.symbols + 1, blank.at[:k].set(symbols))
    targets = jax.lax.dynamic_update_slice(blank, symbols, (pause + k,))
    inside = step < pause + 2 * k
    return Example(inputs, targets, inside.astype(jnp.float32), inside)

  def memoryless_loss(self) -> float:
    """The least loss without memory of the symbols: k ln(symbols) a sequence,
    and so k ln(symbols) / (T + 2k) a step, with the mean T where it varies."""
    pause = self.length
    if self.variant == "variable":
      pause = (self.length + 1) / 2
    return self.copied * math.log(self.symbols) / (pause + 2 * self.copied)
