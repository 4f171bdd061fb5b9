"""The tasks of Deletang et al. 2023 (see `string_task`) that put the symbols of
a string in another order: some need a stack, some more."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.tasks.string_task import (
  Question,
  StringTaskConfig,
  classify,
  terminated,
)


@dataclasses.dataclass(slots=True)
class ReverseStringConfig(StringTaskConfig):
  """The bits from the last to the first: 011010 -> 010110."""

  name: str = "reverse_string"

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string = self.symbols(key, 2)
    answer = string[length - 1 - jnp.arange(self.length)]
    return Question(string, length, answer, length, length)


@dataclasses.dataclass(slots=True)
class DuplicateStringConfig(StringTaskConfig):
  """The bits twice: 101 -> 101101."""

  name: str = "duplicate_string"

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string = self.symbols(key, 2)
    answer = string[jnp.arange(2 * self.length) % length]
    return Question(string, length, answer, 2 * length, 2 * length)


@dataclasses.dataclass(slots=True)
class MissingDuplicateConfig(StringTaskConfig):
  """Some bits twice, but for one, where 2 stands: which is it?

  01100210 -> 1. Where the length is odd the last symbol is 3: 1011213 -> 0.
  With one symbol, string and answer are 1.
  """

  name: str = "missing_duplicate"

  def alphabet(self) -> tuple[int, int]:
    return 4, 2

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string_key, place_key = jax.random.split(key)
    half = jnp.maximum(length // 2, 1)
    step = jnp.arange(self.length)
    string = self.symbols(string_key, 2)[step % half]
    place = jax.random.randint(place_key, (), 0, 2 * half)
    label = jnp.where(length == 1, 1, string[place])
    string = jnp.where(step == place, 2, string)
    string = jnp.where(step == 2 * half, 3, string)
    return classify(jnp.where(length == 1, 1, string), length, label)


@dataclasses.dataclass(slots=True)
class OddsFirstConfig(StringTaskConfig):
  """The first bit, the third, the fifth ..., then the second, the fourth ...:
  00110101 -> 0100 0111.

  So the paper says; the authors' program has the second, the fourth ... first.
  """

  name: str = "odds_first"

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string = self.symbols(key, 2)
    step, odds = jnp.arange(self.length), (length + 1) // 2
    place = jnp.where(step < odds, 2 * step, 2 * (step - odds) + 1)
    return Question(string, length, string[place], length, length)


@dataclasses.dataclass(slots=True)
class BucketSortConfig(StringTaskConfig):
  """The symbols in rising order: 10204112 -> 00111224."""

  RANGES: ClassVar = StringTaskConfig.RANGES | {"buckets": (2, 1000)}

  name: str = "bucket_sort"
  # how many symbols there are
  buckets: int = 5

  def alphabet(self) -> tuple[int, int]:
    return self.buckets, self.buckets

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string = self.symbols(key, self.buckets)
    step = jnp.arange(self.length)
    # how many symbols of the string are not above each but the greatest
    bucket = jnp.arange(self.buckets - 1)
    filled = jnp.sum(
      (string[:, None] <= bucket) & (step < length)[:, None], axis=0
    )
    answer = jnp.sum(step[:, None] >= filled, axis=1)
    return Question(string, length, answer, length, length)


@dataclasses.dataclass(slots=True)
class StackManipulationConfig(StringTaskConfig):
  """Bits on a stack from the bottom up, then moves; the stack from the top.

  Moves: 2 takes the top away (nothing, where the stack is empty), 3 puts a 0 on
  top, 4 puts a 1. The answer ends with 2: 0110 4 2 2 -> 1102. There is at least
  one bit and, from two symbols on, one move.
  """

  name: str = "stack_manipulation"

  def alphabet(self) -> tuple[int, int]:
    return 5, 3

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    bit_key, move_key, bits_key = jax.random.split(key, 3)
    step = jnp.arange(self.length)
    bits = jax.random.randint(bits_key, (), 1, jnp.maximum(length, 2))
    string = jnp.where(
      step < bits, self.symbols(bit_key, 2), 2 + self.symbols(move_key, 3)
    )
    inside, pop = step < length, string == 2
    # The height of the stack is a walk that is pushed up from below zero.
    walk = jnp.cumsum(jnp.where(pop, -1, 1) * inside)
    height = walk - jnp.minimum(jax.lax.cummin(walk), 0)
    # A symbol stays if the stack is never lower again than right after it.
    lowest = jax.lax.cummin(height, reverse=True)
    stays = inside & ~pop & (lowest == height)
    place = jnp.where(stays, height[-1] - height, self.length + 1)
    answer = jnp.zeros((self.length + 1,), jnp.int32)
    answer = answer.at[place].set(
      jnp.where(step < bits, string, string - 3), mode="drop"
    )
    return terminated(string, length, answer, height[-1], 2, length + 1)
