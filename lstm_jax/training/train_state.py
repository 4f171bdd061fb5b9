"""The train state and the pure functions that change it."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh

from lstm_jax.array_types import Array, Bool, Float, Int, Key, Params, State
from lstm_jax.layers.dropout import noise_keys
from lstm_jax.metrics.sums import Sums
from lstm_jax.parallel import units
from lstm_jax.parallel.rows import (
  COPIES,
  ROWS,
  place,
  split_rows,
  sum_over_devices,
)
from lstm_jax.tasks.base import Task
from lstm_jax.training import averaging, non_finite, stopping
from lstm_jax.training.averaging import Averages, AveragingConfig
from lstm_jax.training.stopping import StopConfig, StopState

DATA = 2**31  # the data's key is fold_in(key, DATA); no step is as large


@flax.struct.dataclass
class TrainState:
  """Everything a run needs to go on exactly where it was.

  With several trials, every leaf has a leading axis n.
  """

  step: Int[Array, "*n"]  # number of updates done
  params: Params
  opt_state: optax.OptState
  carry: tuple[State, ...]  # recurrent state at the end of the last window
  key: Key[Array, "*n"]  # never changes; noise is drawn from fold_in(key, step)
  plateau: Any  # reduce_on_plateau's state, or None
  stop: StopState | None  # memory of the stopping rule
  done: Bool[Array, "*n"]  # the rule is met, or the trial has failed
  rate: Float[Array, "*n"]  # factor on the learning rate; trials may differ
  averages: Averages | None = None  # of the parameters

  @property
  def evaluated(self) -> Params:
    """The parameters that validation, and whoever loads the run, takes."""
    return self.params if self.averages is None else self.averages.mean


class StepMetrics(NamedTuple):
  sums: Sums
  gradient_norm: Float[Array, "*n"]  # before clipping
  learning_rate: Float[Array, "*n"]
  culprit: Int[Array, "*n"] = 0  # of non_finite.suspects; 0 is none
  skipped: Int[Array, "*n"] = 0  # updates that were left out


def run_step(state: TrainState) -> int:
  """Updates done; of several trials, by the one that has gone furthest."""
  return int(np.max(state.step))


def make_model(build: Callable[[nnx.Rngs], nnx.Module], seed: int):
  """Splits a freshly initialised model into its structure and its parameters.

  Returns:
    The structure, which `nnx.merge(structure, params)` makes a model again, and
    the parameters as a nested dictionary of arrays.
  """
  structure, params = nnx.split(build(nnx.Rngs(seed)), nnx.Param)
  return structure, nnx.to_pure_dict(params)


def shape_difference(theirs, ours) -> str | None:
  """The first parameter that two models do not share in name, shape and type.

  The leaves are arrays, or descriptions of arrays such as a checkpoint has.
  """
  a, b = (
    {
      "/".join(str(entry.key) for entry in path): f"{leaf.dtype}{leaf.shape}"
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    for tree in (theirs, ours)
  )
  for name in sorted(a.keys() | b.keys()):
    if a.get(name) != b.get(name):
      return f"{name} is {a.get(name)} there and {b.get(name)} here"
  return None


def init_state(
  params: Params,
  carry: tuple[State, ...],
  optimizer: optax.GradientTransformation,
  plateau: optax.GradientTransformationExtraArgs | None,
  seed: int,
  stop: StopConfig = StopConfig(),
  rate: float = 1.0,
  averages: AveragingConfig = AveragingConfig(),
) -> TrainState:
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    opt_state=optimizer.init(params),
    carry=jax.tree.map(jnp.copy, carry),  # donated: no buffer may occur twice
    key=jax.random.fold_in(jax.random.key(seed), 1),
    plateau=plateau.init(params) if plateau else None,
    stop=stopping.init_stop(stop),
    done=jnp.zeros((), bool),
    rate=jnp.float32(rate),
    averages=averaging.init_averages(averages, params),
  )


def place_state(state: TrainState, mesh: Mesh | None) -> TrainState:
  """Puts a state on the devices: the carried state split by rows, parameters
  copied or in parts, see `units`."""
  parts = {
    field.name: getattr(state, field.name)
    for field in dataclasses.fields(state)
  }
  layout = units.specs(parts, mesh)
  layout["carry"] = jax.tree.map(lambda _: units.carry_spec(mesh), state.carry)
  return state.replace(**place(parts, mesh, layout))


def reorder(
  state: TrainState, mesh: Mesh | None, change: Callable
) -> TrainState:
  """The state with `units.to_file` or `to_memory` done to it."""
  params, opt_state = change((state.params, state.opt_state), mesh)
  return state.replace(params=params, opt_state=opt_state)


def make_train_step(
  structure,
  task: Task,
  optimizer: optax.GradientTransformation,
  schedule: optax.Schedule,
  mesh: Mesh | None = None,
  recurrent_from: int = 0,
  skip_non_finite: bool = False,
):
  """One update: (state, data) -> (state, metrics).

  mesh: devices that share the rows of each batch.
  recurrent_from: the step from which recurrent layers learn.
  skip_non_finite: leave out an update whose loss or gradient is not finite.
  """

  def gradient_of_rows(layout, params, batch, carry, key, rows):
    keys = noise_keys(key, rows)

    def loss(params):
      model = nnx.merge(structure, params)
      model = units.part_of(model, mesh)
      output = model(batch.inputs, carry, mask=batch.mask, keys=keys)
      sums = task.loss(output, batch)
      weight = sum_over_devices(sums.weight, mesh)
      nats = sums.nats
      if (penalty := getattr(output, "penalty", None)) is not None:
        nats += (penalty * batch.weights).sum()
      return nats / weight, (sums, output.state)

    gradient, (sums, carry) = jax.grad(loss, has_aux=True)(params)
    gradient = units.sum_gradients(gradient, layout, mesh)
    return gradient, sum_over_devices(sums, mesh), carry

  def train_step(state: TrainState, data) -> tuple[TrainState, StepMetrics]:
    data_key = jax.random.fold_in(state.key, DATA)
    batch = task.batch(data, state.step, data_key)
    size = batch.inputs.shape[0]
    initial = nnx.merge(structure, state.params).initial_state(size)
    carry = jax.tree.map(
      lambda new, old: jnp.where(batch.restart, new, old), initial, state.carry
    )
    layout = units.specs(state.params, mesh)
    carry_spec = units.carry_spec(mesh)
    gradient_of_batch = split_rows(
      functools.partial(gradient_of_rows, layout),
      mesh,
      arguments=(layout, ROWS, carry_spec, COPIES, ROWS),
      results=(layout, COPIES, carry_spec),
    )
    gradient, sums, carry = gradient_of_batch(
      state.params,
      batch._replace(restart=None, lr_scale=None),
      carry,
      jax.random.fold_in(state.key, state.step),
      jnp.arange(size),
    )
    updates, opt_state = optimizer.update(
      gradient, state.opt_state, state.params
    )
    scale = state.rate
    if state.plateau is not None:
      scale *= state.plateau.scale
    if batch.lr_scale is not None:
      scale *= batch.lr_scale
    learning_rate = jnp.asarray(schedule(state.step)) * scale
    updates = jax.tree.map(lambda u: u * scale, updates)
    updates = hold_recurrent(updates, state.step, recurrent_from)
    norm, culprit = non_finite.inspect(gradient)
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
      new = non_finite.skip_update(sound, state, new)
      skipped = 1 - sound.astype(jnp.int32)
      sums, norm = jax.tree.map(lambda a: jnp.where(sound, a, 0), (sums, norm))
    metrics = StepMetrics(sums, norm, learning_rate, culprit, skipped)
    return place_state(new, mesh), metrics

  return train_step


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
  structure, task: Task, window: Callable, mesh: Mesh | None = None
):
  """One window without noise: (params, carry, data, index) -> (carry, sums).

  window: makes the batch, as the task's `evaluation` has it.
  """

  def score_rows(params, carry, batch):
    model = units.part_of(nnx.merge(structure, params), mesh)
    output = model(batch.inputs, carry, mask=batch.mask)
    sums = task.loss(output, batch)
    return output.state, sum_over_devices(sums, mesh)

  @jax.jit
  def eval_step(params, carry, data, index):
    batch = window(data, index)
    size = batch.inputs.shape[0]
    initial = nnx.merge(structure, params).initial_state(size)
    carry = jax.tree.map(
      lambda new, old: jnp.where(batch.restart, new, old), initial, carry
    )
    spec = units.carry_spec(mesh)
    score_batch = split_rows(
      score_rows,
      mesh,
      arguments=(units.specs(params, mesh), spec, ROWS),
      results=(spec, COPIES),
    )
    return score_batch(params, carry, batch._replace(restart=None))

  return eval_step


@jax.jit
def all_finite(tree) -> Bool[Array, ""]:
  """Whether no number of a tree is infinite or not a number."""
  leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
  return jnp.stack(leaves).all()


def observe_validation(
  state: TrainState,
  plateau: optax.GradientTransformationExtraArgs | None,
  nats: float,
) -> TrainState:
  """Tells the plateau schedule and the averages a validation loss."""
  if plateau is not None:
    _, new = plateau.update({}, state.plateau, value=nats)
    state = state.replace(plateau=new)
  if state.averages is not None:
    averages = averaging.observe_score(state.averages, nats)
    state = state.replace(averages=averages)
  return state
