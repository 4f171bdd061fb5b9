"""A softmax whose vocabulary is shared by devices, inside `jax.shard_map`."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, ArrayLike, Float, Int
from lstm_jax.cells.argument_checks import as_symbols, nearest_symbol
from lstm_jax.cells.short_repr import short
from lstm_jax.layers import softmax


@dataclasses.dataclass(frozen=True)
class SplitSoftmax:
  """`layers.heads.Softmax` for `nll` alone.

  w, b: this device's, as `own_columns` gives them.
  axis: of the mesh; its devices have the rest, in order.
  size: of the whole vocabulary.
  """

  w: Float[Array, "h u"]
  b: Float[Array, "u"]
  axis: str
  size: int
  __repr__ = short

  def nll(
    self, features: Float[Array, "b t h"], targets: ArrayLike
  ) -> Float[Array, "b t"]:
    shape = features.shape[:-1]
    targets = as_symbols("targets", targets, self.size, shape)
    targets = nearest_symbol(targets, self.size)
    return split_cross_entropy(features, self.w, self.b, targets, self.axis)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def split_cross_entropy(
  features: Float[Array, "*n h"],
  w: Float[Array, "h u"],
  b: Float[Array, "u"],
  targets: Int[Array, "*n"],
  axis: str,
) -> Float[Array, "*n"]:
  """`cross_entropy` with the vocabulary in parts, inside `jax.shard_map`.

  w, b: what this device has of the vocabulary, as `own_columns` gives it.
  axis: of the mesh; its devices have the rest, in order.

  Every device gets the whole result. Its gradient for the features is that of
  its own part; the sum over devices is the features' gradient.
  """
  return _split_forward(features, w, b, targets, axis)[0]


def _split_forward(features, w, b, targets, axis):
  z = softmax.logits(features, w, b)
  mine = targets - lax.axis_index(axis) * b.shape[0]
  most = lax.pmax(z.max(-1), axis)
  total = lax.psum(jnp.exp(z - most[..., None]).sum(-1), axis)
  log_normaliser = most + jnp.log(total)
  is_target = jnp.arange(b.shape[0]) == mine[..., None]
  picked = lax.psum(jnp.where(is_target, z, 0).sum(-1), axis)
  kept = features, w, b, mine, z, log_normaliser
  return log_normaliser - picked, kept


def _split_backward(axis, kept, dnll):
  return softmax.cross_entropy_gradient(kept, dnll)


split_cross_entropy.defvjp(_split_forward, _split_backward)


def own_columns(
  w: Float[Array, "h w"], b: Float[Array, "w"], axis: str, vocabulary_size: int
) -> tuple[Float[Array, "h u"], Float[Array, "u"]]:
  """The weights and biases of this device's part of the vocabulary.

  w, b: these, or the whole, which is cut; the last part is filled up with
    symbols of probability 0.
  """
  if b.shape[0] < vocabulary_size:
    return w, b
  count = lax.axis_size(axis)
  width = -(-vocabulary_size // count)
  missing = width * count - vocabulary_size
  w = jnp.pad(w, ((0, 0), (0, missing)))
  b = jnp.pad(b, (0, missing), constant_values=-1e30)
  first = lax.axis_index(axis) * width
  return (
    lax.dynamic_slice_in_dim(w, first, width, 1),
    lax.dynamic_slice_in_dim(b, first, width, 0),
  )
