"""A stand-in for translation: the letters of a word, the last one first.

Nothing is read from disk, and no word is drawn twice by plan. A word and its
answer have as many letters; an answer is right where every letter and the end
are.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, Int, Key
from lstm_jax.data.inputs import Pair
from lstm_jax.data.source import Memory
from lstm_jax.errors import DataError
from lstm_jax.metrics.sums import Sums, nats_per_token
from lstm_jax.search.base import Prediction, SearchConfig
from lstm_jax.tasks.base import (
  Batch,
  Controls,
  Evaluation,
  Score,
  Spec,
  Targets,
  TaskConfig,
)

END = 0  # stands before an answer too
LETTERS = "abcdefghijklmnopqrstuvwxyz"  # 1, 2, ...


@dataclasses.dataclass(slots=True)
class ReversedPairsConfig(TaskConfig):
  RANGES: ClassVar = {
    "longest": (1, 10**4),
    "letters": (2, len(LETTERS)),
    "evaluation_sequences": (1, 10**7),
  }
  family: ClassVar = "pairs"
  headline: ClassVar = Score("exact", higher=True)

  name: str = "reversed_pairs"
  # words have 1 to so many letters
  longest: int = 8
  # of the alphabet, from a on
  letters: int = 10
  # words of the validation split, and of the test split
  evaluation_sequences: int = 512

  def spec(self, assets: dict[str, Any] | None = None) -> Spec:
    return Spec("pairs", self.letters + 1, self.letters + 1)

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> "ReversedPairs":
    return ReversedPairs(self, batch_size)

  # for `generate`

  end: ClassVar = END

  @property
  def answer_length(self) -> int:
    return self.longest

  @staticmethod
  def usual_search() -> SearchConfig:
    return SearchConfig("beam")

  def request(self, lines: list[str], assets: dict[str, Any]) -> Pair:
    """A word a line.

    Raises:
      DataError: a line is no word of the task's letters, or is too long.
    """
    known = LETTERS[: self.letters]
    for number, line in enumerate(lines, 1):
      if not line or set(line) - set(known) or len(line) > self.longest:
        raise DataError(
          f"line {number}: {line!r} must be 1 to {self.longest} of the letters"
          f" {known}"
        )
    source = np.zeros((len(lines), self.longest), np.int32)
    for row, line in zip(source, lines, strict=True):
      row[: len(line)] = [1 + LETTERS.index(letter) for letter in line]
    before = np.full((len(lines), 1), END, np.int32)
    return Pair(source, source > 0, before, before == END)

  @staticmethod
  def say(prediction: Prediction, assets: dict[str, Any]) -> list[str]:
    """An answer a line; of several of a word, each with its score before it."""
    symbols, lengths, scores = prediction
    lines = []
    for row in range(len(symbols)):
      for text, n, score in zip(
        symbols[row], lengths[row], scores[row], strict=True
      ):
        said = "".join(LETTERS[symbol - 1] for symbol in text[:n])
        several = symbols.shape[1] > 1
        lines.append(f"{score:.4f}\t{said}" if several else said)
    return lines


class ReversedPairs:
  """Batches of freshly drawn words."""

  source = Memory(())
  steps_per_epoch = 0  # there are none
  token = "word"
  end = END

  def __init__(self, config: ReversedPairsConfig, batch_size: int):
    self.config, self.spec = config, config.spec()
    self.headline = config.headline
    self.answer_length = config.longest
    self.tokens_per_step = self._rows = batch_size
    self.record = {"corpus": f"generated: {config.name}"}
    self.rows = min(256, config.evaluation_sequences)

  def assets(self) -> dict[str, Any]:
    return {}

  def batch(
    self, data: Any, step: Int[Array, ""], key: Key[Array, ""]
  ) -> tuple[Batch, Controls]:
    keys = jax.random.split(jax.random.fold_in(key, step), self._rows)
    return Batch(*jax.vmap(self._draw)(keys)), Controls()

  def evaluation(self, split: str, rows: int) -> Evaluation:
    key = jax.random.key(1 + (split == "test"))
    total = self.config.evaluation_sequences

    def window(key, index):
      numbers = index * rows + jnp.arange(rows)
      keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(numbers)
      inputs, targets = jax.vmap(self._draw)(keys)
      weights = targets.weights * (numbers < total)[:, None]
      return Batch(inputs, targets._replace(weights=weights)), Controls()

    return Evaluation(window, key, -(-total // rows))

  def _draw(self, key) -> tuple[Pair, Targets]:
    n = self.config.longest
    of_length, of_letters = jax.random.split(key)
    length = jax.random.randint(of_length, (), 1, n + 1)
    letters = jax.random.randint(of_letters, (n,), 1, self.config.letters + 1)
    step = jnp.arange(n + 1)
    source = jnp.where(step[:n] < length, letters, END)
    reversed_ = source[(length - 1 - step) % n]
    target = jnp.where(step < length, reversed_, END)
    before = jnp.concatenate([jnp.full(1, END), target[:-1]])
    mask = step <= length  # the end is said as well
    inputs = Pair(source, step[:n] < length, before, mask)
    return inputs, Targets(target, mask.astype(jnp.float32))

  def loss(self, output: Any, targets: Targets) -> Sums:
    nll = output.nll(targets.tokens)
    right = output.likelihood.mode() == targets.tokens
    asked = targets.weights > 0
    extra = {
      "guided": (asked & (right | ~asked).all(1, keepdims=True))[:, 0].sum(),
      "words": asked[:, 0].sum(),
    }
    return Sums((nll * targets.weights).sum(), targets.weights.sum(), extra)

  def judge(self, prediction: Prediction, batch: Batch) -> dict[str, Any]:
    """How many of the best answers are right in every letter."""
    asked = batch.targets.weights[:, 0] > 0
    wanted = batch.targets.tokens[:, :-1]
    right = (prediction.symbols[:, 0] == wanted).all(1)
    return {"exact": (right & asked).sum(), "judged": asked.sum()}

  def describe(
    self, prediction: Prediction, batch: Batch
  ) -> Iterator[dict[str, str]]:
    """A word's letters, its answers, and the right one."""
    said = ReversedPairsConfig.say(prediction, {})
    for row, answer in enumerate(said):
      if batch.targets.weights[row, 0] > 0:
        yield {
          "source": _text(batch.inputs.source[row]),
          "predicted": answer,
          "target": _text(batch.targets.tokens[row]),
        }

  def scores(self, sums: Sums) -> dict[str, float]:
    """exact: whole words that are right; where nothing was decoded, with the
    right letters before each."""
    exact = sums.extra["guided"] / sums.extra["words"]
    if "judged" in sums.extra:
      exact = sums.extra["exact"] / sums.extra["judged"]
    return {"exact": float(exact), "nats_per_symbol": nats_per_token(sums)}


def _text(symbols) -> str:
  return "".join(LETTERS[symbol - 1] for symbol in symbols if symbol)
