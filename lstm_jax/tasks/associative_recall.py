"""Multi-query associative recall: which value came with this key?"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Key
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import Example, SequenceTaskConfig
from lstm_jax.tasks.subsets import distinct


@dataclasses.dataclass(slots=True)
class AssociativeRecallConfig(SequenceTaskConfig):
  """Pairs of a key and a value, then keys again, each once, among other
  symbols; at each of these its value is due.

  Arora et al. 2023, "Zoology: measuring and improving recall in efficient
  language models", arXiv 2312.04927. As there, keys are 1 .. vocabulary/2 - 1,
  values are the upper half, none comes twice, and queries stand at even places:
  the j-th after the pairs (j = 1, 2 ...) is taken with weight j^(power - 1), so
  that short gaps are the more likely; power 1 makes all places alike. Which of
  the pairs is asked where is random (there the first is asked the soonest).
  """

  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "length": (4, 10**6),
    "pairs": (1, 10**4),
    "queries": (1, 10**4),
    "vocabulary": (4, 10**6),
    "power": (0.0, 1.0),
  }
  CHOICES: ClassVar = SequenceTaskConfig.CHOICES | {
    "loss": ("cross_entropy",),
    "filler": ("random", "blank"),
  }

  asks: ClassVar = "steps"

  name: str = "associative_recall"
  # steps of a sequence
  length: int = 64
  # pairs of a key and a value
  pairs: int = 4
  # keys that are asked
  queries: int = 4
  # symbols: blank, keys and values
  vocabulary: int = 256
  # of the gaps' power law; 1 is uniform
  power: float = 0.01
  # other steps after the pairs: "random", any symbol, or "blank", symbol 0
  filler: str = "random"

  def check(self):
    if self.queries > self.pairs:
      raise ConfigError(
        f"task.queries: {self.queries} is more than task.pairs, {self.pairs}"
      )
    places = (self.length - 2 * self.pairs) // 2
    if self.queries > places:
      raise ConfigError(
        f"task.length: must be at least {2 * (self.pairs + self.queries)} for"
        f" {self.pairs} pairs and {self.queries} queries, got {self.length}"
      )
    if self.pairs > self.vocabulary // 2 - 1:
      raise ConfigError(
        f"task.vocabulary: must be at least {2 * self.pairs + 2} for"
        f" {self.pairs} different keys, got {self.vocabulary}"
      )

  def sizes(self) -> Spec:
    v = self.vocabulary
    return Spec("tokens", v, v)

  def sample(self, key: Key[Array, ""]) -> Example:
    keys_key, values_key, pair_key, gap_key, filler_key = jax.random.split(
      key, 5
    )
    context, half = 2 * self.pairs, self.vocabulary // 2
    keys = 1 + distinct(keys_key, half - 1, self.pairs)
    values = half + distinct(values_key, self.vocabulary - half, self.pairs)
    # The greatest of log weights with Gumbel noise are a weighted draw without
    # replacement.
    number = jnp.arange(1, (self.length - context) // 2 + 1)
    noise = jax.random.gumbel(gap_key, number.shape, jnp.float32)
    weights = (self.power - 1) * jnp.log(number.astype(jnp.float32))
    gaps = jax.lax.top_k(weights + noise, self.queries)[1]
    places = context + 2 * gaps
    asked = distinct(pair_key, self.pairs, self.queries)

    inputs = jnp.zeros((self.length,), jnp.int32)
    if self.filler == "random":
      inputs = jax.random.randint(
        filler_key, inputs.shape, 0, self.vocabulary, jnp.int32
      )
    inputs = inputs.at[:context].set(jnp.stack([keys, values], 1).ravel())
    zeros = jnp.zeros((self.length,))
    return Example(
      inputs=inputs.at[places].set(keys[asked]),
      targets=zeros.astype(jnp.int32).at[places].set(values[asked]),
      weights=zeros.astype(jnp.float32).at[places].set(1),
      mask=jnp.ones((self.length,), bool),
    )
