"""The first tensor of an update that is not finite."""

from typing import Any

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Int, Params


def inspect(gradient: Params) -> tuple[Float[Array, ""], Int[Array, ""]]:
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


def skip_update(sound: Bool[Array, ""], state: Any, new: Any) -> Any:
  """`new` where an update is sound, else the state before it, a step on."""
  chosen = jax.tree.map(lambda a, b: jnp.where(sound, a, b), new, state)
  return chosen.replace(step=new.step)
