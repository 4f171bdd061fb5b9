"""The neural cache: words of the recent past are likelier to come again.

Grave, Joulin & Usunier 2017, "Improving neural language models with a
continuous cache", ICLR. Beside the model's p stands a distribution over the
last `size` tokens, by how alike the features were that they followed (eq. 3 and
the linear interpolation of section 3):

    p_cache(w) ~ sum_i [x_{i+1} = w] exp(theta h_t . h_i)
    p = (1 - share) p_model + share p_cache

An empty cache has no share.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax.array_types import Array, Float, Int, Params
from lstm_jax.evaluation.static import last_result
from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.base import StreamTask

# what a search tries, in all pairs
THETAS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


@dataclasses.dataclass(slots=True)
class CacheConfig:
  RANGES: ClassVar = {
    "cache_size": (1, 10**6),
    "theta": (0, 10**6),
    "share": (0, 0.99),
  }

  # tokens that the cache holds
  cache_size: int = 2000
  # how much it prefers alike features
  theta: float = 0.3
  # its part of the probability (lambda)
  share: float = 0.1


class Memory(NamedTuple):
  """The last n positions, the oldest first."""

  features: Float[Array, "b n h"]
  followers: Int[Array, "b n"]  # the token after each; -1 is none yet


def cache_probability(
  memory: Memory,
  features: Float[Array, "b t h"],
  targets: Int[Array, "b t"],
  thetas: Float[Array, "k"],
) -> tuple[Float[Array, "k b t"], Memory]:
  """p_cache of the targets for each theta (0 while the cache is empty), and the
  memory after them."""
  size, time = memory.followers.shape[1], targets.shape[1]
  keys = jnp.concatenate([memory.features, features], 1)
  followers = jnp.concatenate([memory.followers, targets], 1)
  scores = jnp.einsum(
    "bth,bnh->btn", features, keys, precision=jax.lax.Precision.HIGHEST
  )
  place = jnp.arange(time)[:, None]
  number = jnp.arange(size + time)
  inside = (number >= place) & (number < place + size)  # the last `size`
  valid = inside & (followers >= 0)[:, None]
  same = valid & (followers[:, None] == targets[..., None])

  def of(theta):
    logits = jnp.where(valid, theta * scores, -jnp.inf)
    most = jnp.max(logits, -1, keepdims=True, initial=-1e30)
    weights = jnp.exp(logits - most)
    total = weights.sum(-1)
    return (weights * same).sum(-1) / jnp.where(total > 0, total, 1)

  after = Memory(keys[:, -size:], followers[:, -size:])
  return jax.lax.map(of, thetas), after


def make_cache(
  structure: Any,
  task: StreamTask,
  split: str,
  streams: int,
  size: int,
  thetas: tuple[float, ...],
  shares: tuple[float, ...],
  tokens: int = 0,
) -> Callable[..., Iterator[tuple[int, int, list[list[Sums]]]]]:
  """params -> (windows done, all, sums so far [theta][share]).

  Every theta is tried with every share in one pass over the split.

  tokens: those to read, from the start of the streams, in whole windows; 0 is
    all.
  """
  window, data, count = task.evaluation(split, streams)
  data = jax.device_put(data)
  if tokens:
    count = min(count, -(-tokens // (streams * task.window)))

  @jax.jit
  def read(data, params, carry, memory, index):
    batch, _ = window(data, index)
    targets, weights = batch.targets
    output = nnx.merge(structure, params).read(batch.inputs, carry)
    model = -output.nll(targets)  # its log p
    # Padding stands at the end of a stream: nothing reads it from the cache.
    cached, after = cache_probability(
      memory,
      output.features.astype(jnp.float32),
      targets,
      jnp.array(thetas),
    )
    # Only a stream's first position finds the cache empty.
    empty = memory.followers[:, -1:] < 0
    empty = empty & (jnp.arange(targets.shape[1]) == 0)
    share = jnp.where(empty, 0, jnp.array(shares)[:, None, None])
    # In logarithms: exp(-nats) is 0 from some 88 nats on.
    log_p = jnp.logaddexp(
      jnp.log1p(-share) + model, jnp.log(share) + jnp.log(cached)[:, None]
    )
    log_p = jnp.where(weights > 0, log_p * weights, 0)
    nats = -log_p.sum((-2, -1))
    return output.state, after, nats, weights.sum()

  def evaluate(params: Params):
    model = nnx.merge(structure, params)
    carry = model.initial_state(streams)
    width = model.feature_size
    memory = Memory(
      jnp.zeros((streams, size, width)),
      jnp.full((streams, size), -1, jnp.int32),
    )
    nats, tokens = np.zeros((len(thetas), len(shares))), 0.0
    for index in range(count):
      carry, memory, more, weight = read(data, params, carry, memory, index)
      nats, tokens = nats + np.asarray(more, float), tokens + float(weight)
      yield (
        index + 1,
        count,
        [[Sums(float(each), tokens) for each in row] for row in nats],
      )

  return evaluate


def evaluate_cache(
  run: Any,
  task: StreamTask,
  split: str,
  rows: int,
  config: CacheConfig,
  watch: Callable,
) -> Sums:
  """The split's loss, read in so many rows."""
  grid = (config.theta,), (config.share,)
  return _read_grid(run, task, split, rows, config, grid, 0, watch)[0][0]


def tune_cache(
  run: Any,
  task: StreamTask,
  rows: int,
  config: CacheConfig,
  tokens: int,
  score: Callable[[Sums], float],
  watch: Callable,
) -> Iterator[tuple[dict[str, float], Sums]]:
  """Every theta with every share, and the validation split's loss under them.

  tokens: from the start of the split; 0 is all.
  """
  grid = THETAS, SHARES
  found = _read_grid(run, task, "valid", rows, config, grid, tokens, watch)
  for theta, row in zip(THETAS, found, strict=True):
    for share, sums in zip(SHARES, row, strict=True):
      yield {"theta": theta, "share": share}, sums


def _read_grid(run, task, split, rows, config, grid, tokens, watch):
  structure, _ = nnx.split(run.model)
  thetas, shares = grid
  steps = make_cache(
    structure, task, split, rows, config.cache_size, thetas, shares, tokens
  )
  return last_result(steps(run.params), functools.partial(watch, "cache"))
