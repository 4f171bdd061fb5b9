"""The tasks of Deletang et al. 2023 (see `string_task`) on binary numbers.

Numbers are arrays of bits and the methods are those of school, so that any
length is exact.
"""

import dataclasses

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.tasks.string_task import Question, StringTaskConfig, terminated


@dataclasses.dataclass(slots=True)
class BinaryAdditionConfig(StringTaskConfig):
  """The sum of two numbers, the lowest bit first, with a 2 between them.

  001 2 01101 -> 010112 (4 + 22 = 26).
  """

  name: str = "binary_addition"

  def alphabet(self) -> tuple[int, int]:
    return 3, 3

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string, a, b = two_numbers(key, length, self.length)
    answer = jnp.pad(add(a, b), (0, 1))
    digits = jnp.maximum(bit_length(answer), 1)
    return terminated(string, length, answer, digits, 2, length + 1)


@dataclasses.dataclass(slots=True)
class BinaryMultiplicationConfig(StringTaskConfig):
  """The product of two numbers, the lowest bit first, with a 2 between them:
  001 2 01101 -> 00011012 (4 * 22 = 88).

  With one symbol the answer is 2 alone, with two it is 02.
  """

  name: str = "binary_multiplication"

  def alphabet(self) -> tuple[int, int]:
    return 3, 3

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    string, a, b = two_numbers(key, length, self.length)
    answer = multiply(a, b)
    digits = jnp.minimum(jnp.maximum(bit_length(answer), 1), length - 1)
    return terminated(string, length, answer, digits, 2, length)


@dataclasses.dataclass(slots=True)
class ComputeSqrtConfig(StringTaskConfig):
  """The square root of a number, rounded down; the highest bit comes first.

  100101 -> 110 (37 -> 6). Half as many bits, rounded up, are due.
  """

  name: str = "compute_sqrt"

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    bits = nonzero(key, length, self.length)
    place = length - 1 - jnp.arange(self.length)
    string = jnp.where(place >= 0, bits[place], 0)
    steps = (length + 1) // 2
    return Question(string, length, square_root(string, length), steps, steps)


def nonzero(
  key: Key[Array, ""], length: Int[Array, ""], size: int
) -> Int[Array, "n"]:
  """The bits, lowest first, of a number drawn from 1 .. 2^length - 1.

  Of these numbers the share 2^-(j+1) / (1 - 2^-length) has its highest one j
  places below the top, and below that any bits.
  """
  top_key, key = jax.random.split(key)
  u = jax.random.uniform(top_key, dtype=jnp.float32)
  below = -jnp.log2(1 - u * (1 - jnp.exp2(-length.astype(jnp.float32))))
  top = length - 1 - jnp.minimum(below.astype(jnp.int32), length - 1)
  place = jnp.arange(size)
  bits = jax.random.randint(key, (size,), 0, 2, jnp.int32)
  return jnp.where(place == top, 1, jnp.where(place < top, bits, 0))


def two_numbers(
  key: Key[Array, ""], length: Int[Array, ""], size: int
) -> tuple[Int[Array, "n"], Int[Array, "n"], Int[Array, "n"]]:
  """A string of two numbers with a 2 between them, and the numbers.

  No number is 0. Where the length is below 3 the string is the first number
  alone, any but the greatest, and the second is 0.
  """
  split_key, a_key, b_key = jax.random.split(key, 3)
  short = length < 3
  split = jax.random.randint(split_key, (), 1, jnp.maximum(length - 1, 2))
  split = jnp.where(short, length, split)
  place = jnp.arange(size)
  a = nonzero(a_key, split, size)
  a = jnp.where(short & (place < length), 1 - a, a)
  b = nonzero(b_key, jnp.maximum(length - 1 - split, 1), size)
  b = jnp.where(short, 0, b)
  string = jnp.where(place < split, a, b[place - split - 1])
  return jnp.where(place == split, 2, string), a, b


def bit_length(bits: Int[Array, "n"]) -> Int[Array, ""]:
  """Places up to the highest one."""
  return jnp.max(jnp.where(bits == 1, jnp.arange(1, len(bits) + 1), 0))


def _shift(bits, *first):
  """The first bits in front; as many fall off at the end."""
  return jnp.concatenate([jnp.array(first, bits.dtype), bits[: -len(first)]])


def add(a: Int[Array, "n"], b: Int[Array, "n"]) -> Int[Array, "n"]:
  """a + b, lowest bit first; a last carry is lost.

  Where the bits agree they decide what is carried on; elsewhere the carry from
  below passes. So a carry is the bit at the last place that decides.
  """
  place = jnp.arange(len(a))
  last = jax.lax.cummax(jnp.where(a == b, place, -1))
  carry = jnp.where(last >= 0, a[last], 0)
  return a ^ b ^ _shift(carry, 0)


def subtract(
  a: Int[Array, "n"], b: Int[Array, "n"]
) -> tuple[Int[Array, "n"], Int[Array, ""]]:
  """a - b, lowest bit first, and 1 if a is less. As `add`, but a place decides
  where the bits differ."""
  place = jnp.arange(len(a))
  last = jax.lax.cummax(jnp.where(a != b, place, -1))
  borrow = jnp.where(last >= 0, b[last], 0)
  return a ^ b ^ _shift(borrow, 0), borrow[-1]


def multiply(a: Int[Array, "n"], b: Int[Array, "n"]) -> Int[Array, "n"]:
  """The lowest n bits of a * b, lowest first; one bit of a at a time.

  columns[j]: what stands so far in the column j places further up; no more than
  2n, so nothing overflows.
  """

  def step(columns, bit):
    columns = columns + bit * b
    out, carry = columns[0] & 1, columns[0] >> 1
    columns = jnp.append(columns[1:], 0)
    return columns.at[0].add(carry), out

  return jax.lax.scan(step, jnp.zeros_like(b), a)[1]


def square_root(
  bits: Int[Array, "n"], length: Int[Array, ""]
) -> Int[Array, "m"]:
  """The bits of the root of a number of `length` bits, highest first.

  Digit by digit: two bits of the number come down to the remainder; the root
  gets a 1 if 4 root + 1 can be taken from it.
  """
  size = (len(bits) + 1) // 2
  bits = jnp.pad(bits, (0, 2 * size - len(bits)))
  pairs = jnp.where(length % 2, jnp.roll(bits, 1), bits).reshape(size, 2)

  def step(carry, pair):
    remainder, root = carry  # lowest bit first
    remainder = _shift(remainder, pair[1], pair[0])
    rest, less = subtract(remainder, _shift(root, 1, 0))
    remainder = jnp.where(less, remainder, rest)
    return (remainder, _shift(root, 1 - less)), 1 - less

  # A remainder is at most twice the root, and then two places are added.
  zeros = jnp.zeros((size + 3,), jnp.int32)
  return jax.lax.scan(step, (zeros, zeros), pairs)[1]
