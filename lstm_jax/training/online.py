"""Learning at every time step, as Hochreiter & Schmidhuber 1997 do it.

Where a sequence has a target at every step, the weights of their networks
change at every step, so that the state of a sequence is made with many weights.
Backpropagation through time cannot do that. But the truncated gradient of the
1997 LSTM has a short forward form, their equations in appendix A.1: a carousel
adds up, c_t = c_{t-1} + i_t g_t, and nothing else reaches back in time, so

    S_t = S_{t-1} + d(i_t g_t)/dW             a matrix, cells by weights
    dE_t/dW = direct part of step t + dE_t/dc_{t-1} S_{t-1}
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax

from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.base import Task
from lstm_jax.training.state import TrainState
from lstm_jax.training.step import DATA, StepMetrics, TrainStep, hold_recurrent


def make_online_step(
  structure: Any,
  task: Task,
  optimizer: optax.GradientTransformation,
  schedule: optax.Schedule,
  recurrent_from: int = 0,
) -> TrainStep:
  """One sequence, with an update of the optimiser after each of its steps.

  The loss of a step is what the task says of a batch of that step alone. Steps
  outside the mask, or without weight, change nothing. Only the layer has
  traces S: the output units have no past.
  """

  def loss(params, carry, batch):
    """Of one step, and the state after it."""
    output = nnx.merge(structure, params).read(batch.inputs, carry)
    sums = task.loss(output, batch.targets)
    return sums.nats, (sums, output.state)

  def cells(layer, params, carry, batch):
    model = nnx.merge(structure, params | {"stack": layer})
    return model.read(batch.inputs, carry).state[0].c[0]

  def learn(carry, step, number, rate):
    params, opt_state, state, traces = carry
    alone = step._replace(inputs=step.inputs._replace(mask=None))
    batch = jax.tree.map(lambda a: a[None, None], alone)
    (before,) = state

    def of(params, c):
      return loss(params, (before._replace(c=c),), batch)

    (direct, dc), (sums, after) = jax.grad(of, (0, 1), has_aux=True)(
      params, before.c
    )
    layer = jax.tree.map(
      lambda g, s: g + jnp.tensordot(dc[0], s, 1), direct["stack"], traces
    )
    gradient = direct | {"stack": layer}
    updates, new_opt_state = optimizer.update(gradient, opt_state, params)
    updates = jax.tree.map(lambda u: u * rate, updates)
    updates = hold_recurrent(updates, number, recurrent_from)
    new_params = optax.apply_updates(params, updates)
    now = jax.jacrev(cells)(params["stack"], params, state, batch)
    new_traces = jax.tree.map(jnp.add, traces, now)
    learns = step.targets.weights > 0

    def choose(flag, new, old):
      return jax.tree.map(lambda a, b: jnp.where(flag, a, b), new, old)

    carry = (
      *choose(learns, (new_params, new_opt_state), (params, opt_state)),
      *choose(step.inputs.mask, (after, new_traces), (state, traces)),
    )
    return carry, (sums, optax.tree.norm(gradient) * learns)

  def update(state: TrainState, data) -> tuple[TrainState, StepMetrics]:
    key = jax.random.fold_in(state.key, DATA)
    batch, _ = task.batch(data, state.step, key)
    steps = jax.tree.map(lambda a: a[0], batch)
    model = nnx.merge(structure, state.params)
    initial = model.initial_state(1)
    count = initial[0].c.shape[-1]
    traces = jax.tree.map(
      lambda p: jnp.zeros((count, *p.shape), p.dtype), state.params["stack"]
    )
    (params, opt_state, _, _), (sums, norms) = lax.scan(
      lambda carry, step: learn(carry, step, state.step, state.rate),
      (state.params, state.opt_state, initial, traces),
      steps,
    )
    rate = jnp.asarray(schedule(state.step)) * state.rate
    state = state.replace(
      step=state.step + 1, params=params, opt_state=opt_state
    )
    zero = jnp.zeros((), jnp.int32)
    return state, StepMetrics(_sum_steps(sums), norms.max(), rate, zero, zero)

  return update


def _sum_steps(sums: Sums) -> Sums:
  """Of a sequence: it counts once, and is wrong where any step is."""
  total = jax.tree.map(lambda a: a.sum(0), sums)
  extra = total.extra | {
    name: sums.extra[name].max(0) for name in ("sequences", "wrong")
  }
  extra["share"] = extra["right"] / jnp.maximum(extra["steps"], 1)
  return Sums(total.nats, jnp.ones(()), extra)
