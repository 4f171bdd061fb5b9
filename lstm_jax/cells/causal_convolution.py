"""A causal convolution over time, one filter a feature, with explicit state."""

import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float


def convolve(
  x: Float[Array, "b t d"],
  kernel: Float[Array, "k d"],
  window: Float[Array, "b w d"],
  mask: Bool[Array, "b t"] | None = None,
  reset: Bool[Array, "b t"] | None = None,
) -> tuple[Float[Array, "b t d"], Float[Array, "b w d"]]:
  """y_t = sum over j of kernel_j x_{t-k+1+j}, and the window after the last
  step, which continues the sequence.

  window: the w = k - 1 inputs before the first; zeros at the start.
  mask, reset: as in `unroll`: a masked step is left out as if it were not in
    the sequence (its own y means nothing), and a reset makes the window zeros.
  """
  b, t, _ = x.shape
  w = window.shape[1]
  if mask is None and reset is None:
    x = jnp.concatenate([window, x], 1)
    taps = [x[:, j : j + t] * kernel[j] for j in range(w + 1)]
    return sum(taps[1:], taps[0]), x[:, t:]
  mask = jnp.ones((b, t), bool) if mask is None else mask
  reset = jnp.zeros((b, t), bool) if reset is None else reset
  document = jnp.cumsum(reset, 1)
  # Steps that are not masked move to the front, and their results back.
  order = jnp.argsort(~mask, axis=1, stable=True)
  place = jnp.maximum(jnp.cumsum(mask, 1) - 1, 0)
  last = mask.sum(1, keepdims=True) + jnp.arange(w)
  x = jnp.concatenate([window, _take(x, order)], 1)
  documents = jnp.pad(jnp.take_along_axis(document, order, 1), ((0, 0), (w, 0)))
  here = documents[:, w:]
  y = sum(
    _keep(x[:, j : j + t], documents[:, j : j + t] == here) * kernel[j]
    for j in range(w + 1)
  )
  same = jnp.take_along_axis(documents, last, 1) == document[:, -1:]
  return _take(y, place), _keep(_take(x, last), same)


def _keep(x, flags):
  return x * flags[..., None].astype(x.dtype)


def _take(x, places):
  return jnp.take_along_axis(x, places[..., None], axis=1)
