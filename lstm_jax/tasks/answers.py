"""What is asked of sequences, and how outputs are judged by it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Int
from lstm_jax.likelihoods.squared_error import SquaredError
from lstm_jax.metrics.sums import Sums


class Answers(NamedTuple):
  """What is asked of sequences, and by what it is judged."""

  values: Int[Array, "*b t"] | Float[Array, "*b t k"]  # classes, or numbers
  weights: Float[Array, "*b t"]  # 0 where no output is asked for
  # outputs that are right, where the target is one of several
  accepted: Bool[Array, "*b t k"] | None = None
  # what outputs are judged by, where the targets are noisy
  reference: Float[Array, "*b t k"] | None = None
  # where outputs are judged, if not at every step that is asked for
  judged: Bool[Array, "*b t"] | None = None
  # squared_error: which outputs are asked for, if not all of a step's
  asked: Bool[Array, "*b t k"] | None = None


def judge_outputs(likelihood: Any, targets: Answers, tolerance: float) -> Sums:
  """The loss, and in `extra` sums over the steps that count and the sequences.

  The loss is a mean over the steps that are asked for; of a squared error, over
  sequences.

  extra: steps that are judged and how many of them are right; sequences, how
    many are wrong in at least one of those steps, and the share of these steps
    that each has right, summed; the squared and the absolute error, each the
    mean over outputs summed over steps. The error of a probability is what the
    target's lacks to 1.
  """
  values, weights = targets.values, targets.weights
  asked = weights > 0
  judged = asked if targets.judged is None else asked & targets.judged
  if isinstance(likelihood, SquaredError):
    nll, weight = likelihood.nll(values, targets.asked), asked.any(1).sum()
  else:
    nll, weight = likelihood.nll(values), weights.sum()
  wanted = values if targets.reference is None else targets.reference
  off = likelihood.errors(wanted)
  if targets.accepted is None:
    right = likelihood.right(wanted, tolerance)
  else:
    right = _all_accepted(likelihood.logits(), targets.accepted)
  share = (judged & right).sum(1) / jnp.maximum(judged.sum(1), 1)
  extra = {
    "squared": (jnp.square(off).mean(-1) * judged).sum(),
    "absolute": (off.mean(-1) * judged).sum(),
    "steps": judged.sum(),
    "right": (judged & right).sum(),
    "sequences": judged.any(1).sum(),
    "wrong": (judged & ~right).any(1).sum(),
    "share": share.sum(),
  }
  extra = jax.tree.map(lambda a: a.astype(jnp.float32), extra)
  return Sums((nll * weights).sum(), weight.astype(jnp.float32), extra)


def _all_accepted(values, accepted):
  """Every accepted output is above every other one."""
  least = jnp.where(accepted, values, jnp.inf).min(-1)
  return least > jnp.where(accepted, -jnp.inf, values).max(-1)


def answer_scores(sums: Sums, headline: str) -> dict[str, float]:
  """The sums of `judge_outputs` as means.

  accuracy: right steps of those judged; sequence_accuracy: the same in each
  sequence, averaged over them, however long they are; wrong_sequences: the
  fraction with at least one wrong step.
  """
  extra = {name: float(value) for name, value in sums.extra.items()}
  steps, sequences = extra["steps"], extra["sequences"]
  if headline == SquaredError.unit:
    main = {
      headline: extra["squared"] / steps,
      "absolute_error": extra["absolute"] / steps,
    }
  else:
    main = {headline: float(sums.nats) / float(sums.weight)}
  return main | {
    "accuracy": extra["right"] / steps,
    "sequence_accuracy": extra["share"] / sequences,
    "wrong_sequences": extra["wrong"] / sequences,
  }
