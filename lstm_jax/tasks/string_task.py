"""Tasks on strings: read a string, then write the answer to it.

The setting of Deletang et al. 2023, "Neural Networks and the Chomsky
Hierarchy", ICLR: the inputs are the string and then one empty token for each
symbol of the answer; what counts is the output at the empty tokens. Fifteen
tasks of theirs are in the files chomsky_*.py. There all strings of a batch have
one length; here each string has its own.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.sequence_task import Example, SequenceTaskConfig


class Question(NamedTuple):
  """A string and its answer, each padded to the longest there is."""

  string: Int[Array, "n"]
  length: Int[Array, ""]  # of the string
  answer: Int[Array, "m"]
  steps: Int[Array, ""] | int  # of the answer, one empty token each
  counted: Int[Array, ""] | int  # the first so many steps are judged


@dataclasses.dataclass(slots=True)
class StringTaskConfig(SequenceTaskConfig):
  """A task says its `alphabet` and how a `question` of some length is drawn."""

  RANGES: ClassVar = SequenceTaskConfig.RANGES | {
    "length": (1, 10**5),
    "shortest": (1, 10**5),
  }
  CHOICES: ClassVar = SequenceTaskConfig.CHOICES | {"loss": ("cross_entropy",)}
  asks: ClassVar = "steps"

  # symbols of the longest string
  length: int = 40
  # symbols of the shortest; every length between is as likely
  shortest: int = 1

  def check(self):
    if self.shortest > self.length:
      raise ConfigError(
        f"task.shortest: {self.shortest} is more than task.length,"
        f" {self.length}"
      )

  def alphabet(self) -> tuple[int, int]:
    """Symbols a string is made of, and symbols an answer is made of."""
    return 2, 2

  def question(self, key: Key[Array, ""], length: Int[Array, ""]) -> Question:
    """A string of so many symbols and its answer; runs inside jit."""
    raise NotImplementedError

  def sizes(self) -> Spec:
    symbols, classes = self.alphabet()
    return Spec("tokens", symbols + 1, classes)

  def sample(self, key: Key[Array, ""]) -> Example:
    length_key, key = jax.random.split(key)
    length = jax.random.randint(
      length_key, (), self.shortest, self.length + 1, jnp.int32
    )
    return ask(self.question(key, length), empty=self.alphabet()[0])

  def symbols(self, key: Key[Array, ""], count: int) -> Int[Array, "n"]:
    """Symbols 0 .. count - 1 with the same chance each, for a string."""
    return jax.random.randint(key, (self.length,), 0, count, jnp.int32)


def ask(question: Question, empty: int) -> Example:
  """The string, empty tokens, padding; the answer is due at the empty tokens.

  Padding is the empty token as well.
  """
  string, length, answer, steps, counted = question
  step = jnp.arange(len(string) + len(answer))
  inputs = jnp.where(step < length, jnp.pad(string, (0, len(answer))), empty)
  asked = (step >= length) & (step < length + counted)
  targets = jax.lax.dynamic_update_slice(
    jnp.zeros_like(step, jnp.int32), answer.astype(jnp.int32), (length,)
  )
  return Example(
    inputs=inputs.astype(jnp.int32),
    targets=jnp.where(asked, targets, 0),
    weights=asked.astype(jnp.float32),
    mask=step < length + steps,
  )


def classify(
  string: Int[Array, "n"], length: Int[Array, ""], label: Int[Array, ""]
) -> Question:
  """One empty token, where the class of the string is due."""
  return Question(string, length, label[None], 1, 1)


def terminated(
  string: Int[Array, "n"],
  length: Int[Array, ""],
  answer: Int[Array, "m"],
  digits: Int[Array, ""],
  end: int,
  steps: Int[Array, ""],
) -> Question:
  """An answer that ends where it likes: `digits` symbols, the symbol `end`,
  then zeros up to so many `steps`. What follows the end is not judged.

  The authors judge alike, but their loss counts the zeros too.
  """
  place = jnp.arange(len(answer))
  answer = jnp.where(place < digits, answer, 0)
  answer = jnp.where(place == digits, end, answer)
  return Question(string, length, answer, steps, digits + 1)
