"""The recurrent product, with a full or a block-diagonal matrix.

A `w_h` [r g] is a matrix; [n r/n g/n] are the n blocks of a block-diagonal one,
for heads that do not see each other (as in Beck et al. 2024, "xLSTM").
"""

import jax.numpy as jnp

from lstm_jax.array_types import Array, Float


def recurrent_product(
  r: Float[Array, "*t r"], w_h: Float[Array, "..."]
) -> Float[Array, "*t g"]:
  """r @ w_h."""
  if w_h.ndim == 2:
    return r @ w_h
  zh = jnp.einsum("...nr,nrg->...ng", _by_head(r, w_h), w_h)
  return zh.reshape(*r.shape[:-1], -1)


def recurrent_gradient(
  r: Float[Array, "t b r"], dzh: Float[Array, "t b g"], w_h: Float[Array, "..."]
) -> Float[Array, "..."]:
  """The gradient of w_h from those of r @ w_h, over all time steps at once."""
  if w_h.ndim == 2:
    return jnp.einsum("tbr,tbg->rg", r, dzh)
  return jnp.einsum("tbnr,tbng->nrg", _by_head(r, w_h), _by_head(dzh, w_h))


def _by_head(a, w_h):
  """[... n*r] -> [... n r]."""
  return a.reshape(*a.shape[:-1], len(w_h), -1)
