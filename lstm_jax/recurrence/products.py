"""The recurrent product, with a full or a block-diagonal matrix.

A `w_h` [r g] is a matrix; [n r/n g/n] are the n blocks of a block-diagonal one,
for heads that do not see each other (as in Beck et al. 2024, "xLSTM"). Products
are computed in the type of the matrix and summed in that of the state.
"""

import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Float


def recurrent_product(
  r: Float[Array, "*t b r"], w_h: Float[Array, "..."]
) -> Float[Array, "*t b g"]:
  """r @ w_h."""
  if w_h.ndim == 2 and r.shape[:-1] == (1,):
    # XLA computes a vector times a matrix on one core of a CPU, a sum on all.
    return (r.T * w_h.astype(r.dtype)).sum(0)[None]
  narrow, wide = r.astype(w_h.dtype), r.dtype
  if w_h.ndim == 2:
    return jnp.matmul(narrow, w_h, preferred_element_type=wide)
  zh = _product("...nr,nrg->...ng", _by_head(narrow, w_h), w_h, wide)
  return zh.reshape(*r.shape[:-1], -1)


def recurrent_gradient(
  r: Float[Array, "t b r"], dzh: Float[Array, "t b g"], w_h: Float[Array, "..."]
) -> Float[Array, "..."]:
  """The gradient of w_h from those of r @ w_h, over all time steps at once.

  The product is computed in the type of r and summed in that of dzh.
  """
  narrow, wide = dzh.astype(r.dtype), dzh.dtype
  if w_h.ndim == 2:
    return jnp.einsum("tbr,tbg->rg", r, narrow, preferred_element_type=wide)
  return _product(
    "tbnr,tbng->nrg", _by_head(r, w_h), _by_head(narrow, w_h), wide
  )


def _product(spec, a, b, wide):
  """Products of many matrices, summed in the type `wide`."""

  def narrow(a, b):
    return jnp.einsum(spec, a, b, preferred_element_type=wide)

  if a.dtype == wide:
    return narrow(a, b)

  def exact(a, b):  # XLA has no such products of bfloat16 on a CPU
    return jnp.einsum(spec, a.astype(wide), b.astype(wide))

  return lax.platform_dependent(a, b, cpu=exact, default=narrow)


def _by_head(a, w_h):
  """[... n*r] -> [... n r]."""
  return a.reshape(*a.shape[:-1], len(w_h), -1)
