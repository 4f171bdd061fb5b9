"""One update, and one window of an evaluation, as pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from lstm_jax.array_types import Array, Float, Int, Params
from lstm_jax.layers.dropout import noise_keys
from lstm_jax.metrics.sums import Sums
from lstm_jax.models.base import Keys
from lstm_jax.parallel.rows import Layout
from lstm_jax.tasks.base import Task
from lstm_jax.training import averaging
from lstm_jax.training.state import TrainState

DATA = 2**31  # the data's key is fold_in(key, DATA); no step is as large
LATENT = 2**31  # and that of latents fold_in(the step's key, LATENT)


class StepMetrics(NamedTuple):
  sums: Sums
  gradient_norm: Float[Array, "*n"]  # before clipping
  learning_rate: Float[Array, "*n"]
  culprit: Int[Array, "*n"] | int = 0  # of `suspects`; 0 is none
  skipped: Int[Array, "*n"] | int = 0  # updates that were left out


# (state, what `Task.batch` reads) -> (state, metrics) after one or more updates
TrainStep = Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]
# (parameters, carried state, data, number of a window) -> (carried state, sums)
EvalStep = Callable[[Params, Any, Any, Int[Array, ""]], tuple[Any, Sums]]


def rows_of(tree: Any) -> int:
  """How many rows a batch has."""
  return jax.tree.leaves(tree)[0].shape[0]


def restarted(model: Any, carry: Any, controls: Any, rows: int) -> Any:
  """The carried state, or the initial one where a step starts afresh."""
  return jax.tree.map(
    lambda new, old: jnp.where(controls.restart, new, old),
    model.initial_state(rows),
    carry,
  )


def make_train_step(
  structure: Any,
  task: Task,
  optimizer: optax.GradientTransformation,
  schedule: optax.Schedule,
  layout: Layout = Layout(),
  recurrent_from: int = 0,
  skip_non_finite: bool = False,
) -> TrainStep:
  """One update.

  layout: of rows and parameters on the devices.
  recurrent_from: the step from which recurrent layers learn.
  skip_non_finite: leave out an update whose loss or gradient is not finite.
  """
  split = layout.mesh is not None

  def gradient_of_rows(params, batch, carry, key, rows):
    keys = Keys(
      noise_keys(key, rows), noise_keys(jax.random.fold_in(key, LATENT), rows)
    )

    def loss(params):
      model = nnx.merge(structure, params)
      if split:
        model = layout.own_part(model)
      output = model.read(batch.inputs, carry, keys)
      sums = task.loss(output, batch.targets)
      weight = layout.sum(sums.weight) if split else sums.weight
      return (sums.nats + output.penalty) / weight, (sums, output.state)

    gradient, (sums, carry) = jax.grad(loss, has_aux=True)(params)
    return gradient, sums, carry

  def train_step(state: TrainState, data) -> tuple[TrainState, StepMetrics]:
    data_key = jax.random.fold_in(state.key, DATA)
    batch, controls = task.batch(data, state.step, data_key)
    rows = rows_of(batch)
    model = nnx.merge(structure, state.params)
    carry = restarted(model, state.carry, controls, rows)
    gradient_of_batch = gradient_of_rows
    if split:
      gradient_of_batch = layout.split_gradient(gradient_of_rows, state.params)
    gradient, sums, carry = gradient_of_batch(
      state.params,
      batch,
      carry,
      jax.random.fold_in(state.key, state.step),
      jnp.arange(rows),
    )
    updates, opt_state = optimizer.update(
      gradient, state.opt_state, state.params
    )
    scale = state.rate
    if state.plateau is not None:
      scale *= state.plateau.scale
    scale *= controls.rate
    learning_rate = jnp.asarray(schedule(state.step)) * scale
    updates = jax.tree.map(lambda u: u * scale, updates)
    updates = hold_recurrent(updates, state.step, recurrent_from)
    norm, culprit = _inspect(gradient)
    new = state.replace(
      step=state.step + 1,
      params=optax.apply_updates(state.params, updates),
      opt_state=opt_state,
      carry=carry,
    )
    if new.averages is not None:
      averages = averaging.add_to_averages(new.averages, new.params)
      new = new.replace(averages=averages)
    skipped = jnp.zeros((), jnp.int32)
    if skip_non_finite:
      sound = jnp.isfinite(sums.nats + norm)
      kept = jax.tree.map(lambda a, b: jnp.where(sound, a, b), new, state)
      new = kept.replace(step=new.step)
      skipped = 1 - sound.astype(jnp.int32)
      sums, norm = jax.tree.map(lambda a: jnp.where(sound, a, 0), (sums, norm))
    metrics = StepMetrics(sums, norm, learning_rate, culprit, skipped)
    return layout.place_state(new) if split else new, metrics

  return train_step


def _inspect(gradient: Params) -> tuple[Float[Array, ""], Int[Array, ""]]:
  """The norm of a gradient, and the place in `suspects` of the first tensor
  that is not finite, counted from 1; 0 where all are."""
  squares = jnp.stack(
    [jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradient)]
  )
  # A square that overflows is as bad: clipping would divide by infinity.
  bad = ~jnp.isfinite(squares)
  return jnp.sqrt(squares.sum()), jnp.where(bad.any(), bad.argmax() + 1, 0)


def suspects(params: Params) -> list[str]:
  """What a culprit's number stands for, from 1 on."""
  paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(params)]
  names = ["/".join(str(entry.key) for entry in path) for path in paths]
  return ["", *(f"the gradient of {name}" for name in names)]


def hold_recurrent(
  updates: Params, step: Int[Array, ""], recurrent_from: int
) -> Params:
  """No change of the recurrent layers, and of what reads them, before a step:
  the network without them learns first."""
  if not recurrent_from:
    return updates
  held = {"stack", "output_w"}
  learns = step >= recurrent_from
  return {
    name: jax.tree.map(lambda u: u * learns, part) if name in held else part
    for name, part in updates.items()
  }


def make_eval_step(
  structure: Any, task: Task, window: Callable, layout: Layout = Layout()
) -> EvalStep:
  """One window without noise.

  window: makes the batch, as the task's `evaluation` has it.
  """
  split = layout.mesh is not None

  def score_rows(params, batch, carry, key, rows):
    model = nnx.merge(structure, params)
    if split:
      model = layout.own_part(model)
    output = model.read(batch.inputs, carry, Keys(latent=noise_keys(key, rows)))
    return task.loss(output, batch.targets), output.state

  @jax.jit
  def eval_step(params, carry, data, index):
    batch, controls = window(data, index)
    rows = rows_of(batch)
    carry = restarted(nnx.merge(structure, params), carry, controls, rows)
    score_batch = score_rows
    if split:
      score_batch = layout.split_scores(score_rows, params)
    key = jax.random.fold_in(jax.random.key(0), index)
    sums, carry = score_batch(params, batch, carry, key, jnp.arange(rows))
    return carry, sums

  return eval_step
