"""Softmax cross-entropy together with the linear map before it."""

import jax
import jax.numpy as jnp

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


def plain_cross_entropy(features: Array, w: Array, b: Array, targets: Array):
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


def cross_entropy_gradient(
  kept: tuple[Array, ...], dnll: Float[Array, "*n"]
) -> tuple[Array, Array, Array, None]:
  """Of features, w and b.

  kept: features, w, b, targets, logits and their logarithm of the sum.
  """
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


cross_entropy.defvjp(_forward, cross_entropy_gradient)
