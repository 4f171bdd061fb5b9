"""Softmax cross-entropy together with the linear map before it."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Float, Int
from lstm_jax.cells.argument_checks import nearest_symbol


def logits(
  features: Float[Array, "*n h"], w: Float[Array, "h v"], b: Float[Array, "v"]
) -> Float[Array, "*n v"]:
  """Unnormalised log-probabilities, in the type of the bias."""
  product = jnp.matmul(
    features, w.astype(features.dtype), preferred_element_type=b.dtype
  )
  return product + b


@jax.custom_vjp
def cross_entropy(
  features: Float[Array, "*n h"],
  w: Float[Array, "h v"],
  b: Float[Array, "v"],
  targets: Int[Array, "*n"],
) -> Float[Array, "*n"]:
  """-log softmax(features w + b)[target] in nats; a target out of range is the
  nearest symbol.

  The hand-written gradient, (softmax - one-hot) times the cotangent, reads the
  logits once; autodiff keeps and passes over three arrays of their size.
  """
  return _forward(features, w, b, targets)[0]


def plain_cross_entropy(features, w, b, targets):
  """The same for JAX to differentiate, forwards and twice too."""
  z = logits(features, w, b)
  targets = nearest_symbol(targets, b.shape[0])
  return jax.nn.logsumexp(z, axis=-1) - _picked(z, targets)


def _picked(z, targets):
  return jnp.take_along_axis(z, targets[..., None], axis=-1)[..., 0]


def _forward(features, w, b, targets):
  z = logits(features, w, b)
  targets = nearest_symbol(targets, b.shape[0])
  log_normaliser = jax.nn.logsumexp(z, axis=-1)
  nll = log_normaliser - _picked(z, targets)
  return nll, (features, w, b, targets, z, log_normaliser)


def _backward(kept, dnll):
  features, w, b, targets, z, log_normaliser = kept
  one_hot = jnp.arange(b.shape[0]) == targets[..., None]
  dz = jnp.exp(z - log_normaliser[..., None]) - one_hot.astype(z.dtype)
  dz = (dz * dnll[..., None]).astype(features.dtype)
  dz = dz.reshape(-1, b.shape[0])
  flat = features.reshape(-1, features.shape[-1])
  dfeatures = dz @ w.astype(dz.dtype).T
  dw = jnp.matmul(flat.T, dz, preferred_element_type=w.dtype)
  db = dz.sum(0, dtype=b.dtype)
  return dfeatures.reshape(features.shape), dw, db, None


cross_entropy.defvjp(_forward, _backward)


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
  z = logits(features, w, b)
  mine = targets - lax.axis_index(axis) * b.shape[0]
  most = lax.pmax(z.max(-1), axis)
  total = lax.psum(jnp.exp(z - most[..., None]).sum(-1), axis)
  log_normaliser = most + jnp.log(total)
  is_target = jnp.arange(b.shape[0]) == mine[..., None]
  picked = lax.psum(jnp.where(is_target, z, 0).sum(-1), axis)
  kept = features, w, b, mine, z, log_normaliser
  return log_normaliser - picked, kept


def _split_backward(axis, kept, dnll):
  return _backward(kept, dnll)


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
