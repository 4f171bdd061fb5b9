"""The tasks of Deletang et al. 2023 (see `string_task`) on expressions with
brackets.

An expression of so many symbols is, for 1 to 4 of them, d, -d, (d) or (-d)
with a digit d; above, (a+b), (a-b) or (a*b), where the length of a is any that
leaves at least one symbol to b.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.tasks.string_task import Question, StringTaskConfig, classify

# symbols, counted from the modulus on; those below it are the digits
PLUS, MINUS, OPEN, CLOSE = range(4)
TIMES = 4  # where there are products
UNKNOWN, EQUALS = 4, 5  # where there are none


@dataclasses.dataclass(slots=True)
class ModularArithmeticBracketsConfig(StringTaskConfig):
  """The value of an expression with +, - and *, modulo 5: ((2*4)-(-3)) -> 1."""

  RANGES: ClassVar = StringTaskConfig.RANGES | {"modulus": (2, 1000)}

  name: str = "modular_arithmetic_brackets"
  # digits are 0 .. modulus - 1
  modulus: int = 5

  def alphabet(self) -> tuple[int, int]:
    return self.modulus + 5, self.modulus

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string, value = expression(key, length, self.length, self.modulus, 3)
    return classify(string, length, value)


@dataclasses.dataclass(slots=True)
class SolveEquationConfig(StringTaskConfig):
  """The digit x that solves an equation, modulo 5: ((2+x)-(-3))=4 -> 4.

  On the left is an expression with + and -, where x is the digit at or after a
  place drawn at random (the first, after the last). Below three symbols string
  and answer are zeros.
  """

  RANGES: ClassVar = StringTaskConfig.RANGES | {"modulus": (2, 1000)}

  name: str = "solve_equation"
  # digits are 0 .. modulus - 1
  modulus: int = 5

  def alphabet(self) -> tuple[int, int]:
    return self.modulus + 6, self.modulus

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    key, place_key = jax.random.split(key)
    m, left = self.modulus, jnp.maximum(length - 2, 1)
    string, value = expression(key, left, self.length, m, 2)
    step = jnp.arange(self.length)
    start = jax.random.randint(place_key, (), 0, left)
    digit = (step < left) & (string < m)
    x = jnp.argmin(jnp.where(digit, (step - start) % left, self.length))
    label = string[x]
    string = jnp.where(step == x, m + UNKNOWN, string)
    string = jnp.where(step == left, m + EQUALS, string)
    string = jnp.where(step == left + 1, value, string)
    short = length < 3
    return classify(
      jnp.where(short, 0, string), length, jnp.where(short, 0, label)
    )


def expression(
  key: Key[Array, ""],
  length: Int[Array, ""],
  size: int,
  modulus: int,
  operators: int,
) -> tuple[Int[Array, "n"], Int[Array, ""]]:
  """The symbols of an expression, zeros after its length, and its value.

  operators: 2 for + and -, 3 for * too.

  A pushdown automaton writes one symbol a step. Its stack holds what is yet to
  write: a number n > 0 is an expression of n symbols, -n <= 0 is the symbol n,
  and `ends + i` is the bracket after which operator i is done.
  """
  ends = modulus + 6
  close, minus = modulus + CLOSE, modulus + MINUS
  codes = modulus + jnp.array([PLUS, MINUS, TIMES], jnp.int32)
  digit_key, operator_key, split_key = jax.random.split(key, 3)
  digits = jax.random.randint(digit_key, (size,), 0, modulus, jnp.int32)
  kinds = jax.random.randint(operator_key, (size,), 0, operators, jnp.int32)
  cuts = jax.random.uniform(split_key, (size,), jnp.float32)

  def step(carry, now):
    (stack, high), (values, count), negative = carry
    digit, kind, cut = now
    item = jnp.where(high > 0, stack[high - 1], 0)

    left = 1 + (cut * (item - 4)).astype(jnp.int32)
    pair = jnp.stack([-(ends + kind), item - 3 - left, -codes[kind], left])
    bracket = jnp.stack([-close, item - 2, 0, 0])
    digit_alone = jnp.array([1, 0, 0, 0], jnp.int32)
    new = jnp.where(item > 4, pair, jnp.where(item > 2, bracket, digit_alone))
    pushed = jnp.select([item > 4, item > 2, item == 2], [4, 2, 1], 0)
    high = jnp.maximum(high - 1, 0)
    stack = jax.lax.dynamic_update_slice(stack, new, (high,))
    symbol = jnp.select(
      [item > 2, item == 2, item == 1, item <= -ends],
      [modulus + OPEN, minus, digit, close],
      -item,
    )

    a, b = values[count - 2], values[count - 1]
    done = -item - ends  # the operator whose bracket closes
    value = jnp.select([done == 0, done == 1, done == 2], [a + b, a - b, a * b])
    value = jnp.where(item == 1, jnp.where(negative, -digit, digit), value)
    count = count + jnp.where(item == 1, 1, jnp.where(item <= -ends, -1, 0))
    writes = (item == 1) | (item <= -ends)
    values = values.at[jnp.where(writes, count - 1, size)].set(
      value % modulus, mode="drop"
    )
    return ((stack, high + pushed), (values, count), item == 2), symbol

  zero = jnp.zeros((), jnp.int32)
  # Each thing on the stack writes a symbol at least; a step adds at most four.
  stack = jnp.zeros((size + 4,), jnp.int32).at[0].set(length)
  start = (stack, zero + 1), (jnp.zeros((size,), jnp.int32), zero), zero > 0
  (_, (values, _), _), symbols = jax.lax.scan(
    step, start, (digits, kinds, cuts)
  )
  return symbols, values[0]
