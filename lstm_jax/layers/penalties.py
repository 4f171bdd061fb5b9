"""Activation regularisation, of Merity, McCann & Socher 2017, "Revisiting
activation regularization for language RNNs"."""

import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float


def activation_penalty(
  dropped: Float[Array, "b t h"],
  raw: Float[Array, "b t h"],
  size: float,
  slowness: float,
  mask: Bool[Array, "b t"] | None = None,
) -> Float[Array, "b t"]:
  """What a position adds to the loss; the mean over positions is

      size mean(dropped_t^2) + slowness mean((raw_t - raw_{t-1})^2)

  dropped, raw: outputs of the last layer with their dropout and without.
  size, slowness: AR's alpha and TAR's beta.
  mask: False outside a sequence, after its end; those positions mean nothing.
  """
  dropped, raw = dropped.astype("float32"), raw.astype("float32")
  change = jnp.square(jnp.diff(raw, axis=1)).mean(-1)
  steps = raw.shape[1] if mask is None else mask.sum(1, keepdims=True)
  # There is one change fewer than there are positions.
  change *= steps / jnp.maximum(steps - 1, 1)
  change = jnp.pad(change, ((0, 0), (1, 0)))
  return size * jnp.square(dropped).mean(-1) + slowness * change
