"""The recurrent product, and the gradients of all matrices of a recurrence.

A `w_h` [r g] is a matrix; [n r/n g/n] are the n blocks of a block-diagonal one,
for heads that do not see each other (as in Beck et al. 2024, "xLSTM"). Products
are computed in the type of the matrix and summed in that of the state.

The gradients come from dz of many time steps at once. Where the gate inputs are
z = x w_x + r w_h + b, one product forms all three: [r x 1]^T dz, the "joint"
gradient. It is faster than three, and than a sum over dz for b.

Arrays are time-major in this file.
"""

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Float, Int, Params
from lstm_jax.cells.base import BasicCell, Cell, is_symbols


def recurrent_size(w_h: Float[Array, "..."]) -> int:
  """How many numbers r it multiplies."""
  return w_h.shape[0] if w_h.ndim == 2 else w_h.shape[0] * w_h.shape[1]


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


def is_joint(cell: Cell, params: Params, x: Array) -> bool:
  """Whether one product forms the gradients of all parameters."""
  return (
    not is_symbols(x)
    and cell.adds_products
    and type(cell).project is BasicCell.project
    and "w_h" in params
    and params["w_h"].ndim == 2
  )


def zero_gradients(params: Params, joint: bool) -> Params:
  """What the gradients of pieces are added to."""
  if not joint:
    return jax.tree.map(jnp.zeros_like, params)
  rows = sum(params[name].shape[0] for name in ("w_h", "w_x"))
  b = params["b"]
  return {"joint": jnp.zeros((rows + 1, b.size), b.dtype)}


def piece_gradients(
  cell: Cell,
  params: Params,
  x: Float[Array, "t b ..."] | Int[Array, "t b"],
  r: Float[Array, "t b r"] | None,
  dz: Float[Array, "t b ..."] | tuple[Array, Array],
  joint: bool,
) -> tuple[Params, Float[Array, "t b ..."] | None]:
  """Gradients of the parameters, like `zero_gradients`, and of the inputs (None
  for symbols).

  r: the recurrent inputs; None where the cell has no recurrent product.
  dz: the cotangent of z, or of (zx, zh) for cells that keep the two apart.
  """
  if joint:
    assert r is not None and not isinstance(dz, tuple)
    ones = jnp.ones((*x.shape[:-1], 1), x.dtype)
    inputs = jnp.concatenate([r.astype(x.dtype), x, ones], axis=-1)
    narrow = dz.astype(x.dtype)
    gradient = jnp.matmul(
      inputs.reshape(-1, inputs.shape[-1]).T,
      narrow.reshape(-1, narrow.shape[-1]),
      preferred_element_type=dz.dtype,
    )
    return {"joint": gradient}, narrow @ params["w_x"].astype(x.dtype).T
  dzx, dzh = dz if isinstance(dz, tuple) else (dz, dz)
  if is_symbols(x):
    _, vjp = jax.vjp(lambda params: cell.project(params, x), params)
    (dparams,), dx = vjp(dzx), None
  else:
    _, vjp = jax.vjp(cell.project, params, x)
    dparams, dx = vjp(dzx)
    r = r if r is None else r.astype(x.dtype)
  if r is not None:
    dparams["w_h"] += recurrent_gradient(r, dzh, params["w_h"])
  return dparams, dx


def step_gradients(
  cell: Cell,
  params: Params,
  x: Float[Array, "1 d"],
  r: Float[Array, "1 r"] | None,
  dz: Float[Array, "1 g"] | tuple[Array, Array],
) -> tuple[Params, Float[Array, "1 d"]]:
  """The same for one step of one row, without matrix products."""
  dzx, dzh = dz if isinstance(dz, tuple) else (dz, dz)
  _, vjp = jax.vjp(cell.project, params, x)
  dparams, dx = vjp(dzx)
  if r is not None:
    dparams["w_h"] += r.T * dzh
  return dparams, dx


def split_gradients(params: Params, gradients: Params, joint: bool) -> Params:
  """A gradient for each parameter."""
  if not joint:
    return gradients
  rows, columns = params["w_h"].shape[0], params["w_x"].shape[0]
  w_h, w_x, b = jnp.split(gradients["joint"], [rows, rows + columns])
  return {"w_h": w_h, "w_x": w_x, "b": b[0]}


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
