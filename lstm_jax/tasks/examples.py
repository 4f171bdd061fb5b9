"""What several tasks need to make an Example."""

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Int
from lstm_jax.tasks.sequence_task import Example


def class_targets(
  loss: str, classes: Int[Array, "*t"], count: int
) -> Int[Array, "*t"] | Float[Array, "*t k"]:
  """Classes as the loss takes them: numbers, or one-hot for squared_error."""
  if loss == "cross_entropy":
    return classes
  return jax.nn.one_hot(classes, count)


def asked_at_the_end(
  inputs: Int[Array, "t"] | Float[Array, "t d"],
  target: Int[Array, ""] | Float[Array, "k"],
  length: Int[Array, ""] | int,
) -> Example:
  """A sequence of the first `length` steps, whose one target is at the last."""
  step = jnp.arange(len(inputs))
  return Example(
    inputs=inputs,
    targets=jnp.broadcast_to(target, (len(inputs), *target.shape)),
    weights=jnp.where(step == length - 1, 1.0, 0.0),
    mask=step < length,
  )
