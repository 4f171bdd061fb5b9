"""The first tensor of an update that is not finite."""

from typing import Any

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Int, Params
from lstm_jax.tasks.base import Batch


def inspect(
  gradient: Params, batch: Batch
) -> tuple[Float[Array, ""], Int[Array, ""]]:
  """The norm of a gradient, and the place in `suspects` of the first tensor
  that is not finite, counted from 1; 0 where all are."""
  squares = [jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradient)]
  bad = [_not_finite(batch.inputs), _not_finite(batch.targets)]
  # A square that overflows is as bad: clipping would divide by infinity.
  bad = jnp.stack([*bad, *(~jnp.isfinite(s) for s in squares)])
  culprit = jnp.where(bad.any(), bad.argmax() + 1, 0)
  return jnp.sqrt(sum(squares)), culprit


def suspects(params: Params) -> list[str]:
  """What a culprit's number stands for, from 1 on."""
  paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(params)]
  names = ["/".join(str(entry.key) for entry in path) for path in paths]
  return ["", "the inputs", "the targets"] + [
    f"the gradient of {name}" for name in names
  ]


def skip(sound: Bool[Array, ""], state: Any, new: Any) -> Any:
  """`new` where an update is sound, else the state before it, a step on."""
  chosen = jax.tree.map(lambda a, b: jnp.where(sound, a, b), new, state)
  return chosen.replace(step=new.step)


def _not_finite(a) -> Bool[Array, ""]:
  if a is None or not jnp.issubdtype(a.dtype, jnp.floating):
    return jnp.zeros((), bool)
  return ~jnp.isfinite(a).all()
