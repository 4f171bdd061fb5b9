"""Monte Carlo dropout: the mean of the probabilities under many dropout masks.

Gal & Ghahramani 2016, "A theoretically grounded application of dropout in
recurrent neural networks", NeurIPS. Each sample is a network of its own with
the noise of training, drawn anew for every window, and its own state.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from lstm_jax.array_types import Params
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.static import last_result
from lstm_jax.layers.dropout import Dropout, noise_keys
from lstm_jax.metrics.sums import Sums
from lstm_jax.models.base import Keys
from lstm_jax.tasks.base import Task


@dataclasses.dataclass(slots=True)
class MCDropoutConfig:
  RANGES: ClassVar = {"samples": (1, 10**6), "seed": (0, 2**32 - 1)}

  # masks that are averaged over
  samples: int = 20
  # of the masks
  seed: int = 0


def make_mc_dropout(
  structure: Any, task: Task, split: str, streams: int, samples: int
) -> Callable[..., Iterator[tuple[int, int, Sums]]]:
  """(params, seed) -> (windows done, all, sums so far)."""
  window, data, count = task.evaluation(split, streams)
  data = jax.device_put(data)

  @jax.jit
  def read(data, params, carry, key, index):
    batch, _ = window(data, index)
    targets, weights = batch.targets

    def sample(number_and_state):
      number, state = number_and_state
      here = jax.random.fold_in(jax.random.fold_in(key, number), index)
      keys = noise_keys(here, jnp.arange(streams))
      model = nnx.merge(structure, params)
      output = model.read(batch.inputs, state, Keys(keys, keys))
      return output.state, -output.nll(targets)

    # One after the other: side by side they would need the memory of all.
    carry, log_p = lax.map(sample, (jnp.arange(samples), carry))
    log_mean = jax.nn.logsumexp(log_p, axis=0) - jnp.log(samples)
    return (
      carry,
      -(log_mean * weights).sum(),
      weights.sum(),
    )

  def evaluate(params: Params, seed: int):
    state = nnx.merge(structure, params).initial_state(streams)
    carry = jax.tree.map(lambda a: jnp.stack([a] * samples), state)
    total, key = Sums(0.0, 0.0), jax.random.key(seed)
    for index in range(count):
      carry, nats, weight = read(data, params, carry, key, index)
      total += Sums(float(nats), float(weight))
      yield index + 1, count, total

  return evaluate


def evaluate_mc_dropout(
  run: Any,
  task: Task,
  split: str,
  rows: int,
  config: MCDropoutConfig,
  watch: Callable,
) -> Sums:
  """The split's loss, read in so many rows.

  Raises:
    ConfigError: the model has no dropout.
  """
  model = run.config.model
  rates = [getattr(model.dropout, name) for name in Dropout.RANGES]
  if not any([*rates, getattr(model, "latent_dropout", 0)]):
    raise ConfigError("mc_dropout: the model has no dropout")
  structure, _ = nnx.split(run.model)
  read = make_mc_dropout(structure, task, split, rows, config.samples)
  watching = functools.partial(watch, "mc_dropout")
  return last_result(read(run.params, config.seed), watching)
