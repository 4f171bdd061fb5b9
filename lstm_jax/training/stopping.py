"""When a run has learned its task: rules of online learning.

Hochreiter & Schmidhuber 1997 and its successors count the sequences that a
network needs until a rule is met, such as "the last 2000 sequences are right".
The rule's memory is part of the train state, so that a resumed run counts on.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Bool, Float, Int
from lstm_jax.metrics.sums import Sums


@dataclasses.dataclass(slots=True)
class StopConfig:
  CHOICES: ClassVar = {
    "name": ("never", "recent", "set"),
    "error": ("squared", "absolute"),
  }
  RANGES: ClassVar = {
    "sequences": (1, 10**6),
    "misses": (0, 10**6),
    "mean_error": (0, 10**6),
  }

  # what is judged: nothing, so that a run ends at its last step; the "recent"
  # training sequences, for a batch_size of 1; or a fixed "set", the first of
  # the validation split, looked at every steps_per_call updates
  name: str = "never"
  # how many sequences that is
  sequences: int = 2000
  # so many of them may be wrong
  misses: int = 0
  # their mean error must be below this; several bounds are noted one by one,
  # and the last one stops
  mean_error: tuple[float, ...] = (1e6,)
  # which error: "squared" or "absolute"
  error: str = "absolute"


class StopState(NamedTuple):
  met: Int[Array, "*n k"]  # update at which each bound was first met, or -1
  wrong: Bool[Array, "*n s"] | None  # of the recent sequences, a ring
  errors: Float[Array, "*n s"] | None
  wrong_sum: Float[Array, "*n"]
  error_sum: Float[Array, "*n"]


def init_stop(config: StopConfig) -> StopState | None:
  """The rule's memory; None where there is no rule."""
  if config.name == "never":
    return None
  size, recent = config.sequences, config.name == "recent"
  return StopState(
    met=jnp.full(len(config.mean_error), -1, jnp.int32),
    # Until the ring is full, its rest counts as wrong.
    wrong=jnp.ones(size, bool) if recent else None,
    errors=jnp.zeros(size) if recent else None,
    wrong_sum=jnp.float32(size),
    error_sum=jnp.float32(0),
  )


def observe_sequence(
  config: StopConfig, state: StopState, sums: Sums, step: Int[Array, ""]
) -> tuple[StopState, Bool[Array, ""]]:
  """Takes the training sequence of the step-th update (from 1 on).

  Returns:
    The new memory, and whether the rule is met.
  """
  place = (step - 1) % config.sequences
  wrong = sums.extra["wrong"] > 0
  error = sums.extra[config.error] / jnp.maximum(sums.extra["steps"], 1)

  def exchange(ring, new):
    old = lax.dynamic_index_in_dim(ring, place, keepdims=False)
    # Read before written: else XLA copies the ring, twice, at every update.
    ring, old = lax.optimization_barrier((ring, old))
    return lax.dynamic_update_index_in_dim(ring, new, place, 0), old

  wrongs, old_wrong = exchange(state.wrong, wrong)
  errors, old_error = exchange(state.errors, error)
  # Wrong answers are integers, exact in float32; the sum of errors loses some
  # 1e-7 of its size a step.
  wrong_sum = state.wrong_sum + wrong - old_wrong
  error_sum = state.error_sum + error - old_error
  met = _note(config, state.met, wrong_sum, error_sum, step)
  return StopState(met, wrongs, errors, wrong_sum, error_sum), met[-1] >= 0


def observe_set(
  config: StopConfig, state: StopState, sums: Sums, step: Int[Array, ""]
) -> tuple[StopState, Bool[Array, ""]]:
  """Takes the sums of the fixed set after the step-th update; returns as
  `observe_sequence`."""
  extra = sums.extra
  error = extra[config.error] / extra["steps"] * config.sequences
  met = _note(config, state.met, extra["wrong"], error, step)
  return state._replace(met=met, wrong_sum=extra["wrong"], error_sum=error), (
    met[-1] >= 0
  )


def _note(config, met, wrong, error, step):
  bounds = jnp.array(config.mean_error) * config.sequences
  now = (wrong <= config.misses) & (error < bounds)
  return jnp.where((met < 0) & now, step, met)


def freeze(done: Bool[Array, ""] | bool, old: Any, new: Any) -> Any:
  """The old tree where a trial is done, else the new one."""
  return jax.tree.map(lambda a, b: jnp.where(done, a, b), old, new)
