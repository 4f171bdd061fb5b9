"""The train state: everything that a run needs to go on exactly."""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from lstm_jax.array_types import Array, Bool, Float, Int, Key, Params
from lstm_jax.training import averaging, stopping
from lstm_jax.training.averaging import Averages, AveragingConfig
from lstm_jax.training.stopping import StopConfig, StopState


class TrainState(flax.struct.PyTreeNode):
  """Everything a run needs to go on exactly where it was.

  With several trials, every leaf has a leading axis n.
  """

  step: Int[Array, "*n"]  # number of updates done
  params: Params
  opt_state: optax.OptState
  carry: Any  # what the model carries, at the end of the last window
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


def shape_difference(theirs: Any, ours: Any) -> str | None:
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
  carry: Any,
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


@jax.jit
def all_finite(tree: Any) -> Bool[Array, ""]:
  """Whether no number of a tree is infinite or not a number."""
  leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
  return jnp.stack(leaves).all()


def observe_validation(
  state: TrainState,
  plateau: optax.GradientTransformationExtraArgs | None,
  cost: float,
) -> TrainState:
  """Tells the plateau schedule and the averages a validation score, of which
  less is better."""
  if plateau is not None:
    _, new = plateau.update({}, state.plateau, value=cost)
    state = state.replace(plateau=new)
  if state.averages is not None:
    averages = averaging.observe_score(state.averages, cost)
    state = state.replace(averages=averages)
  return state
