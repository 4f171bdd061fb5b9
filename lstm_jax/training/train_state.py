"""The train state and the pure functions that change it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import nnx

from lstm_jax.array_types import Array, Bool, Float, Int, Key, Params, State
from lstm_jax.metrics import Sums
from lstm_jax.tasks.base import Task


@flax.struct.dataclass
class TrainState:
  """Everything a run needs to go on exactly where it was."""

  step: Int[Array, ""]  # number of updates done
  params: Params
  opt_state: optax.OptState
  carry: tuple[State, ...]  # recurrent state at the end of the last window
  key: Key[Array, ""]  # never changes; noise is drawn from fold_in(key, step)
  plateau: Any  # reduce_on_plateau's state, or None


class StepMetrics(NamedTuple):
  sums: Sums
  gradient_norm: Float[Array, ""]  # before clipping
  learning_rate: Float[Array, ""]


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
) -> TrainState:
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    opt_state=optimizer.init(params),
    carry=jax.tree.map(jnp.copy, carry),  # donated: no buffer may occur twice
    key=jax.random.fold_in(jax.random.key(seed), 1),
    plateau=plateau.init(params) if plateau else None,
  )


def make_train_step(
  structure,
  task: Task,
  optimizer: optax.GradientTransformation,
  schedule: optax.Schedule,
):
  """One update: (state, data) -> (state, metrics), jitted, state donated."""

  def train_step(state: TrainState, data) -> tuple[TrainState, StepMetrics]:
    batch = task.batch(data, state.step)
    initial = nnx.merge(structure, state.params).initial_state(
      batch.inputs.shape[0]
    )
    carry = jax.tree.map(
      lambda new, old: jnp.where(batch.restart, new, old), initial, state.carry
    )
    key = jax.random.fold_in(state.key, state.step)

    def loss(params):
      model = nnx.merge(structure, params)
      output = model(batch.inputs, carry, key=key)
      sums = task.loss(output, batch)
      return sums.nats / sums.weight, (sums, output.state)

    gradient, (sums, carry) = jax.grad(loss, has_aux=True)(state.params)
    updates, opt_state = optimizer.update(
      gradient, state.opt_state, state.params
    )
    learning_rate = jnp.asarray(schedule(state.step))
    if state.plateau is not None:
      scale = state.plateau.scale
      learning_rate *= scale
      updates = jax.tree.map(lambda u: u * scale, updates)
    state = state.replace(
      step=state.step + 1,
      params=optax.apply_updates(state.params, updates),
      opt_state=opt_state,
      carry=carry,
    )
    return state, StepMetrics(sums, optax.tree.norm(gradient), learning_rate)

  return jax.jit(train_step, donate_argnums=0)


def make_eval_step(structure, task: Task):
  """One window without noise: (params, carry, data, index) -> (carry, sums)."""

  @jax.jit
  def eval_step(params, carry, data, index):
    batch = task.batch(data, index)
    output = nnx.merge(structure, params)(batch.inputs, carry)
    return output.state, task.loss(output, batch)

  return eval_step


@jax.jit
def all_finite(tree) -> Bool[Array, ""]:
  """Whether no number of a tree is infinite or not a number."""
  leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
  return jnp.stack(leaves).all()


def update_plateau(
  state: TrainState, plateau: optax.GradientTransformationExtraArgs, nats: float
) -> TrainState:
  """Tells the plateau schedule a validation loss."""
  _, new = plateau.update({}, state.plateau, value=nats)
  return state.replace(plateau=new)
