"""Averages of the parameters over the updates, which evaluation then takes.

Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging";
the non-monotonic trigger is from Merity, Keskar & Socher 2018, "Regularizing
and Optimizing LSTM Language Models", ICLR (NT-ASGD).
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Int, Params


@dataclasses.dataclass(slots=True)
class AveragingConfig:
  CHOICES: ClassVar = {"name": ("never", "non_monotone", "always")}
  RANGES: ClassVar = {"patience": (1, 10**6)}

  # when averaging starts: "never"; "non_monotone", after a validation that is
  # worse than the best of all but the last `patience` before it; or "always",
  # at the first update, for fine-tuning. The average is the mean of all
  # parameters after the start, those of the first update included, which
  # torch.optim.ASGD(t0=0) leaves out
  name: str = "never"
  patience: int = 5


class Averages(NamedTuple):
  mean: Params  # of the parameters since the start; until then the parameters
  count: Int[Array, ""]  # updates in it
  started: Bool[Array, ""]
  recent: Float[Array, "n"]  # the last validation losses, the oldest first
  best: Float[Array, ""]  # of those before


def init_averages(config: AveragingConfig, params: Params) -> Averages | None:
  """None where nothing is averaged."""
  if config.name == "never":
    return None
  return Averages(
    mean=jax.tree.map(jnp.copy, params),  # donated: no buffer may occur twice
    count=jnp.zeros((), jnp.int32),
    started=jnp.asarray(config.name == "always"),
    recent=jnp.full(config.patience, jnp.inf),
    best=jnp.float32(jnp.inf),
  )


def add_to_averages(averages: Averages, params: Params) -> Averages:
  """After an update."""
  count = averages.count + averages.started
  share = 1 / jnp.maximum(count, 1)
  mean = jax.tree.map(lambda m, p: m + (p - m) * share, averages.mean, params)
  return averages._replace(mean=mean, count=count)


def observe_score(averages: Averages, loss: float) -> Averages:
  """After a validation."""
  score = jnp.float32(loss)
  return averages._replace(
    started=averages.started | (score > averages.best),
    best=jnp.minimum(averages.best, averages.recent[0]),
    recent=jnp.append(averages.recent[1:], score),
  )
