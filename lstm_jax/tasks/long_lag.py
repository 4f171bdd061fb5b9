"""Long lag: remember the first of x and y while symbols that say nothing pass.

Hochreiter & Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9(8),
Experiment 2. Symbols are a1, a2, ..., then x and y, then (in 2c) b and e.

variant "noise_free"  Experiment 2a: (x, a1, ..., a_{p-1}, x) or the same with
    y, p + 1 symbols of p + 1 sorts. Each of them is to be predicted from those
    before, which makes p steps.
  "random"  2b: the same with p - 1 random symbols of the a in the middle. They
    are to be predicted as well, which cannot be done: only the last output is
    judged.
  "geometric"  2c: (b, x, q + k of the p symbols a at random, e, x) or the same
    with y, p + 4 sorts of symbols. After the q comes another a with probability
    9/10, or e. There are two outputs, and only the one at e counts. The mean of
    k is 9, so that of the length is q + 13, where the paper prints q + 14.

A k above 131 is cut to it, which happens with probability 0.9^132 < 1e-6.
The paper's tolerance is 0.25 in 2a and 2b, 0.2 in 2c.
"""

import dataclasses
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
  class_targets,
)

MOST_EXTRA = 131  # the least K with P(k > K) = 0.9^(K+1) below 1e-6


@dataclasses.dataclass(slots=True)
class LongLagConfig(SequenceTaskConfig):
  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "symbols": (2, 10**6),
    "lag": (0, 10**6),
    "last_weight": (1, 10**6),
  }
  CHOICES: ClassVar = {
    "loss": ("squared_error", "cross_entropy"),
    "variant": ("noise_free", "random", "geometric"),
  }

  name: str = "long_lag"
  # "squared_error" of one-hot symbols, or "cross_entropy"
  loss: str = "squared_error"
  # squared_error: a sequence is right if no output is off by more than this
  tolerance: float = 0.25
  # "noise_free" (Experiment 2a), "random" (2b) or "geometric" (2c)
  variant: str = "noise_free"
  # p: of the symbols that say nothing there are p - 1, in "geometric" p
  symbols: int = 100
  # q, "geometric" only: at least so many symbols that say nothing
  lag: int = 50
  # "noise_free" and "random": what the loss of the last step, the only one that
  # takes memory, counts; each other counts 1
  last_weight: float = 1.0
  # "random" and squared_error: the outputs for x and y have an error at the
  # last step alone, as no network could tell it from those before
  ends_at_end: bool = False

  def check(self):
    if self.ends_at_end and (self.variant, self.loss) != (
      "random",
      "squared_error",
    ):
      raise ConfigError(
        'task.ends_at_end: is for task.variant "random" and task.loss'
        ' "squared_error"'
      )

  @property
  def asks(self) -> str:
    return "one" if self.variant == "geometric" else "next"

  def sizes(self) -> Spec:
    p = self.symbols
    if self.variant == "geometric":
      return Spec("tokens", p + 4, 2)
    return Spec("tokens", p + 1, p + 1)

  def sample(self, key: Key[Array, ""]) -> Example:
    if self.variant == "geometric":
      return self._geometric(key)
    p = self.symbols
    of_choice, of_middle = jax.random.split(key)
    x_or_y = p - 1 + jax.random.randint(of_choice, (1,), 0, 2)
    middle = jnp.arange(p - 1)
    if self.variant == "random":
      middle = jax.random.randint(of_middle, (p - 1,), 0, p - 1)
    string = jnp.concatenate([x_or_y, middle, x_or_y])
    example = Example(
      inputs=string[:-1],
      targets=class_targets(self.loss, string[1:], p + 1),
      weights=jnp.ones(p).at[-1].set(self.last_weight),
      mask=jnp.ones(p, bool),
    )
    if self.variant == "random":
      last = jnp.arange(p) == p - 1
      example = example._replace(judged=last)
      if self.ends_at_end:
        asked = last[:, None] | (jnp.arange(p + 1) < p - 1)
        example = example._replace(asked=asked)
    return example

  def _geometric(self, key):
    p, q = self.symbols, self.lag
    of_choice, of_extra, of_rest = jax.random.split(key, 3)
    choice = jax.random.randint(of_choice, (), 0, 2)
    extra = jnp.minimum(jax.random.geometric(of_extra, 0.1) - 1, MOST_EXTRA)
    length = q + extra + 3  # b, x or y, and e
    longest = q + MOST_EXTRA + 3
    step = jnp.arange(longest)
    symbol = jax.random.randint(of_rest, (longest,), 0, p)
    symbol = jnp.where(step == 0, p + 2, symbol)
    symbol = jnp.where(step == 1, p + choice, symbol)
    symbol = jnp.where(step == length - 1, p + 3, symbol)
    return asked_at_the_end(symbol, class_targets(self.loss, choice, 2), length)
