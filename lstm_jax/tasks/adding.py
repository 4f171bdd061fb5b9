"""Adding: output the sum of the two values that are marked.

Inputs [t 2] are pairs (value, marker). Three papers draw them differently:

hochreiter  Hochreiter & Schmidhuber 1997, Long Short-Term Memory, Neural
  Computation 9(8), Experiment 4. T to T + T/10 steps, values in [-1, 1]. X1 is
  one of the first ten pairs and X2 one of the first T/2 - 1 pairs that are then
  still unmarked, hence among the first T/2. Markers are 1 at these two, -1 at
  the first and the last pair, else 0; the target is 0.5 + (X1 + X2) / 4. "In
  the rare case where the first pair gets marked, we set X1 to zero", which is
  read so: its marker stays -1, and its value, whether drawn as X1 or as X2,
  counts as zero.
le  Le, Jaitly & Hinton 2015, A Simple Way to Initialize Recurrent Networks of
  Rectified Linear Units, arXiv:1504.00941. T steps, values in [0, 1], one
  marker in each half; the target is X1 + X2.
bai  Bai, Kolter & Koltun 2018, An Empirical Evaluation of Generic Convolutional
  and Recurrent Networks for Sequence Modeling, arXiv:1803.01271. The same with
  the two markers anywhere.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, Float, Int, Key
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import (
  Example,
  SequenceTaskConfig,
  asked_at_the_end,
)


@dataclasses.dataclass(slots=True)
class AddingConfig(SequenceTaskConfig):
  RANGES: ClassVar = SequenceTaskConfig.RANGES | {"length": (2, 10**6)}
  CHOICES: ClassVar = {
    "loss": ("squared_error",),
    "variant": ("hochreiter", "le", "bai"),
  }

  name: str = "adding"
  loss: str = "squared_error"
  # squared_error: a sequence is right if its output is off by no more than this
  tolerance: float = 0.04
  # T: the number of steps, or the least of them in the variant "hochreiter"
  length: int = 100
  # whose task it is: "hochreiter", "le" or "bai"
  variant: str = "hochreiter"

  def check(self):
    if self.variant == "hochreiter" and self.length < 11:
      raise ConfigError(
        'task.length: must be at least 11 in the variant "hochreiter", got'
        f" {self.length}"
      )

  def sizes(self) -> Spec:
    return Spec("frames", 2, 1)

  def sample(self, key: Key[Array, ""]) -> Example:
    t = self.length
    if self.variant == "hochreiter":
      inputs, (x1, x2), length = hochreiter_pairs(key, t, low=-1, neutral=0)
      return asked_at_the_end(inputs, 0.5 + (x1 + x2)[None] / 4, length)
    of_value, of_place = jax.random.split(key)
    if self.variant == "le":
      least, above = np.array([[0, t // 2], [t // 2, t]])
    else:
      least, above = np.array([[0, 0], [t, t - 1]])
    first, second = jax.random.randint(of_place, (2,), least, above)
    if self.variant == "bai":
      second = skip(second, first)
    value = jax.random.uniform(of_value, (t,))
    inputs = jnp.stack([value, marks(t, first, second)], -1)
    return asked_at_the_end(inputs, (value[first] + value[second])[None], t)


def hochreiter_pairs(
  key: Key[Array, ""], t: int, low: int, neutral: int
) -> tuple[Float[Array, "t 2"], Float[Array, "2"], Int[Array, ""]]:
  """Inputs, (X1, X2), and how many steps there are, of Experiments 4 and 5.

  low: values are uniform in [low, 1].
  neutral: what the first pair's value counts as if it is marked.
  """
  of_value, of_place = jax.random.split(key)
  longest = t + t // 10
  least, above = np.array([[t, 0, 0], [longest + 1, 10, t // 2 - 1]])
  length, first, second = jax.random.randint(of_place, (3,), least, above)
  second = skip(second, first)
  value = jax.random.uniform(of_value, (longest,), minval=low, maxval=1)
  step = jnp.arange(longest)
  marker = marks(longest, first, second)
  marker = jnp.where((step == 0) | (step == length - 1), -1.0, marker)
  chosen = jnp.stack([first, second])
  x = jnp.where(chosen == 0, neutral, value[chosen])
  return jnp.stack([value, marker], -1), x, length


def skip(place: Int[Array, ""], taken: Int[Array, ""]) -> Int[Array, ""]:
  """A place among those that are left when one is taken."""
  return place + (place >= taken)


def marks(
  t: int, first: Int[Array, ""], second: Int[Array, ""]
) -> Float[Array, "t"]:
  step = jnp.arange(t)
  return jnp.where((step == first) | (step == second), 1.0, 0.0)
