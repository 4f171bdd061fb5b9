"""The regular tasks of Deletang et al. 2023 (see `string_task`): one class for
the whole string, which a finite automaton finds."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.tasks.string_task import Question, StringTaskConfig, classify


@dataclasses.dataclass(slots=True)
class EvenPairsConfig(StringTaskConfig):
  """Is the number of places where the bit changes even (class 0) or odd (1)?

  001110 -> 0, 0101001 -> 1. It is odd where the last bit is not the first.
  """

  name: str = "even_pairs"

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string = self.symbols(key, 2)
    return classify(string, length, string[0] ^ string[length - 1])


@dataclasses.dataclass(slots=True)
class ParityConfig(StringTaskConfig):
  """Is the number of ones even (class 0) or odd (1)? 1010100 -> 1."""

  name: str = "parity"

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string = self.symbols(key, 2)
    inside = jnp.arange(self.length) < length
    return classify(string, length, jnp.sum(string * inside) % 2)


@dataclasses.dataclass(slots=True)
class CycleNavigationConfig(StringTaskConfig):
  """The last place on a cycle, from place 0, where 0 is a step back, 1 is to
  stay and 2 is a step forward: 2 0 1 0 0 -> 3 of 5 places."""

  RANGES: ClassVar = StringTaskConfig.RANGES | {"cycle": (2, 1000)}

  name: str = "cycle_navigation"
  # places on the cycle
  cycle: int = 5

  def alphabet(self) -> tuple[int, int]:
    return 3, self.cycle

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string = self.symbols(key, 3)
    inside = jnp.arange(self.length) < length
    place = jnp.sum((string - 1) * inside) % self.cycle
    return classify(string, length, place)


@dataclasses.dataclass(slots=True)
class ModularArithmeticConfig(StringTaskConfig):
  """The value of digits joined by +, - and *, modulo 5: 1+2*3 -> 2.

  Times goes before plus and minus. Symbols: the digits, then + - *. The length
  is odd: an even one becomes one less.
  """

  RANGES: ClassVar = StringTaskConfig.RANGES | {"modulus": (2, 1000)}

  name: str = "modular_arithmetic"
  # digits are 0 .. modulus - 1
  modulus: int = 5

  def alphabet(self) -> tuple[int, int]:
    return self.modulus + 3, self.modulus

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    digit_key, operator_key = jax.random.split(key)
    shape = ((self.length + 1) // 2,)
    digits = jax.random.randint(digit_key, shape, 0, self.modulus, jnp.int32)
    # the operator that follows each digit
    operators = jax.random.randint(operator_key, shape, 0, 3, jnp.int32)
    length = length - (length + 1) % 2

    def step(carry, now):
      total, product = carry  # of the terms that are done; of this term
      digit, operator, inside = now
      times = operator == 2
      term = jnp.where(
        times, product * digit, jnp.where(operator, -1, 1) * digit
      )
      new = jnp.where(times, total, total + product), term
      new = jnp.stack(new) % self.modulus
      return tuple(jnp.where(inside, new, jnp.stack(carry))), None

    before = jnp.concatenate([jnp.zeros_like(operators[:1]), operators[:-1]])
    inside = 2 * jnp.arange(shape[0]) < length
    zero = jnp.zeros((), jnp.int32)
    (total, product), _ = jax.lax.scan(
      step, (zero, zero), (digits, before, inside)
    )
    string = jnp.stack([digits, self.modulus + operators], 1).ravel()
    return classify(
      string[: self.length], length, (total + product) % self.modulus
    )
