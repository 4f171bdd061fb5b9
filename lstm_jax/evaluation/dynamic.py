"""Dynamic evaluation: the model goes on learning from the text that it reads.

Krause, Kahembwe, Murray & Renals 2018, "Dynamic evaluation of neural sequence
models", ICML. The text is read in short segments; each is scored first, and
then changes the parameters theta, which started as theta_g:

    sgd  theta += decay (theta_g - theta) - rate grad
    rms  theta += decay (theta_g - theta) RMS_norm
                  - rate grad / (RMS + epsilon)

grad is that of the segment's mean loss. RMS is the root mean square of the
gradients on the training split, RMS_norm = RMS / mean(RMS), where
decay RMS_norm is 1 at most. It is that of whole windows, where the authors take
it of segments. mean(RMS) is the mean of all numbers, as in the code of Melis et
al. (github.com/google-deepmind/lamb). The authors' own code
(github.com/benkrause/dynamic-evaluation) takes the mean of the parameters'
means instead, which weighs a bias as much as a matrix: the form "krause". The
same decay is another pull in each of the two.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from lstm_jax.array_types import Params
from lstm_jax.data.source import Placed
from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.text_lm import TextLM

BLOCK = 50  # segments in one dispatch


def gradient_rms(
  structure: Any,
  task: TextLM,
  params: Params,
  windows: int,
  watch: Callable[[int, int], None] = lambda done, all: None,
) -> Params:
  """Root mean square of the gradient of one stream's window, over the first
  windows of the training split.

  A batch gives the mean gradient of its b streams, whose square is b times
  smaller on average where they are independent noise; it is scaled back.
  """
  source = Placed(task.source, jax.device_put)
  rows = task.train.inputs.shape[0]

  @jax.jit
  def add(data, total, carry, step):
    batch = task.batch(data, step, jax.random.key(0))

    def loss(params):
      model = nnx.merge(structure, params)
      output = model(batch.inputs, carry, mask=batch.mask)
      sums = task.loss(output, batch)
      return sums.nats / sums.weight, output.state

    gradient, carry = jax.grad(loss, has_aux=True)(params)
    total = jax.tree.map(lambda t, g: t + rows * g**2, total, gradient)
    return total, carry

  windows = min(windows, task.steps_per_epoch)
  total = jax.tree.map(jnp.zeros_like, params)
  carry = nnx.merge(structure, params).initial_state(rows)
  for step in range(windows):
    total, carry = add(source.at(step, 1), total, carry, jnp.int32(step))
    watch(step + 1, windows)
  return jax.tree.map(lambda t: jnp.sqrt(t / windows), total)


def make_dynamic(
  structure: Any,
  task: TextLM,
  split: str,
  tokens: int = 0,
  *,
  segment: int = 5,
  epsilon: float = 0.001,
  mean_of_means: bool = False,
) -> Callable[..., Iterator[tuple[int, int, Sums]]]:
  """(params, rate, decay, rms) -> (segments done, all, sums so far), a block of
  segments at a time.

  The split is one stream, as there is one set of parameters. rms is that of
  `gradient_rms` for the forms "rms" and "krause"; None is the form "sgd".

  tokens: those to read, from the start, in whole segments; 0 is all.
  segment: tokens between updates.
  mean_of_means: the form "krause".
  """
  window, data, count = task.evaluation(split, 1, segment)
  data = jax.device_put(data)
  if tokens:
    count = min(count, -(-tokens // segment))

  def update(rates, p, start, g, rms=None):
    rate, decay, mean = rates
    if rms is not None:
      decay, g = decay * rms / mean, g / (rms + epsilon)
    return p + jnp.minimum(decay, 1.0) * (start - p) - rate * g

  def learn(batch, start, rates, rms, state):
    params, carry = state

    def loss(params):
      output = nnx.merge(structure, params)(batch.inputs, carry)
      sums = task.loss(output, batch)
      return sums.nats / jnp.maximum(sums.weight, 1), (sums, output.state)

    gradient, (sums, carry) = jax.grad(loss, has_aux=True)(params)
    trees = [params, start, gradient, *([] if rms is None else [rms])]
    params = jax.tree.map(functools.partial(update, rates), *trees)
    return (params, carry), (sums.nats, sums.weight)

  @jax.jit
  def read(data, start, rates, rms, state, first):
    rates = *rates, _mean(rms, mean_of_means)
    # Beyond the end, the last segment is read again and not counted.
    numbers = first + jnp.arange(BLOCK)
    state, (nats, weight) = lax.scan(
      lambda state, index: learn(window(data, index), start, rates, rms, state),
      state,
      jnp.minimum(numbers, count - 1),
    )
    return (
      state,
      (nats * (numbers < count)).sum(),
      (weight * (numbers < count)).sum(),
    )

  def evaluate(
    params: Params, rate: float, decay: float, rms: Params | None = None
  ):
    state = params, nnx.merge(structure, params).initial_state(1)
    nats = weight = 0.0
    for first in itertools.count(0, BLOCK):
      if first >= count:
        return
      state, more, tokens = read(
        data, params, (rate, decay), rms, state, jnp.int32(first)
      )
      nats, weight = nats + float(more), weight + float(tokens)
      yield min(first + BLOCK, count), count, Sums(nats, weight)

  return evaluate


def _mean(tree, of_means):
  """Of all numbers, or of the arrays' means; 0 of none."""
  leaves = jax.tree.leaves(tree)
  if of_means:
    leaves = [leaf.mean() for leaf in leaves]
  total = sum(leaf.sum() for leaf in leaves)
  return total / max(sum(leaf.size for leaf in leaves), 1)
