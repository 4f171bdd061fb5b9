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

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from lstm_jax.array_types import Params
from lstm_jax.data.source import Placed
from lstm_jax.evaluation.static import last_result
from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.base import StreamTask

BLOCK = 50  # segments in one dispatch
RATES = {  # that a search tries, first of all
  "rms": (0.0005, 0.001, 0.002, 0.004),
  "krause": (0.0005, 0.001, 0.002, 0.004),
  "sgd": (0.02, 0.05, 0.1, 0.2, 0.4),
}
DECAYS = (0.0, 0.002, 0.01, 0.05)  # and these with the best rate


@dataclasses.dataclass(slots=True)
class DynamicConfig:
  CHOICES: ClassVar = {"form": tuple(RATES)}
  RANGES: ClassVar = {
    "segment": (1, 10**6),
    "rate": (0, 10**6),
    "decay": (0, 1),
    "epsilon": (1e-12, 10**6),
    "rms_windows": (1, 10**9),
  }

  # "rms"; "krause", whose decay is relative to the mean of the parameters'
  # means, as in the authors' code, not of all numbers; or "sgd"
  form: str = "rms"
  # tokens between updates
  segment: int = 5
  # learning rate; 0 is that of the form: 0.001, or 0.1 of sgd
  rate: float = 0.0
  # pull back to the trained parameters (lambda)
  decay: float = 0.002
  # not sgd: added to the root mean square
  epsilon: float = 0.001
  # not sgd: training windows that it is measured on
  rms_windows: int = 500

  def unread(self) -> tuple[str, ...]:
    """Fields that the form does not use."""
    return ("epsilon", "rms_windows") if self.form == "sgd" else ()

  def settle(self):
    """Sets what stands for the form's own."""
    self.rate = self.rate or (0.1 if self.form == "sgd" else 0.001)


def gradient_rms(
  structure: Any,
  task: StreamTask,
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
  rows = task.source.at(0, 1).inputs.shape[0]

  @jax.jit
  def add(data, total, carry, step):
    batch, _ = task.batch(data, step, jax.random.key(0))

    def loss(params):
      model = nnx.merge(structure, params)
      output = model.read(batch.inputs, carry)
      sums = task.loss(output, batch.targets)
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
  task: StreamTask,
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

  def learn(index, data, start, rates, rms, state):
    params, carry = state
    batch, _ = window(data, index)

    def loss(params):
      output = nnx.merge(structure, params).read(batch.inputs, carry)
      sums = task.loss(output, batch.targets)
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
      lambda state, index: learn(index, data, start, rates, rms, state),
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


def evaluate_dynamic(
  run: Any,
  task: StreamTask,
  split: str,
  rows: int,
  config: DynamicConfig,
  watch: Callable,
) -> Sums:
  """The split's loss; it is one stream, whatever `rows` says."""
  return _reader(run, task, split, config, 0, watch)(config.rate, config.decay)


def tune_dynamic(
  run: Any,
  task: StreamTask,
  rows: int,
  config: DynamicConfig,
  tokens: int,
  score: Callable[[Sums], float],
  watch: Callable,
) -> Iterator[tuple[dict[str, float], Sums]]:
  """Settings and the validation split's loss under them: rates first, then
  decays with the best.

  tokens: from the start of the split; 0 is all.
  """
  read = _reader(run, task, "valid", config, tokens, watch)
  costs: dict[tuple[float, float], float] = {}

  def attempt(rate, decay):
    sums = read(rate, decay)
    costs[rate, decay] = score(sums)
    return {"rate": rate, "decay": decay}, sums

  for rate in RATES[config.form]:
    yield attempt(rate, config.decay)
  best, _ = min(costs, key=costs.__getitem__)
  for decay in DECAYS:
    if (best, decay) not in costs:
      yield attempt(best, decay)


def _reader(run, task, split, config, tokens, watch):
  """(rate, decay) -> the split's loss."""
  structure, _ = nnx.split(run.model)
  rms = None
  if config.form != "sgd":
    rms = gradient_rms(
      structure,
      task,
      run.params,
      config.rms_windows,
      functools.partial(watch, "gradients of the training split"),
    )
  steps = make_dynamic(
    structure,
    task,
    split,
    tokens,
    segment=config.segment,
    epsilon=config.epsilon,
    mean_of_means=config.form == "krause",
  )

  def read(rate, decay) -> Sums:
    each = steps(run.params, rate, decay, rms)
    return last_result(each, functools.partial(watch, "dynamic"))

  return read
