"""Gradients of the matrices of a recurrence, from dz of many time steps.

Where the gate inputs are z = x w_x + r w_h + b, one product forms all three:
[r x 1]^T dz. It is faster than three, and than a sum over dz for b.

Arrays are time-major in this file.
"""

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Int, Params
from lstm_jax.cells.base import BasicCell, Cell, is_symbols
from lstm_jax.recurrence.products import recurrent_gradient


def blank(cell: Cell, params: Params, x: Array) -> Params:
  """Zeros to add the gradients of pieces to."""
  if not _is_one_product(cell, params, x):
    return jax.tree.map(jnp.zeros_like, params)
  rows = [params[name].shape[0] for name in ("w_h", "w_x")]
  return {
    "joint": jnp.zeros((sum(rows) + 1, params["b"].size), params["b"].dtype)
  }


def of_piece(
  cell: Cell,
  params: Params,
  x: Float[Array, "t b ..."] | Int[Array, "t b"],
  r: Float[Array, "t b r"] | None,
  dz: Float[Array, "t b ..."] | tuple[Array, Array],
) -> tuple[Params, Float[Array, "t b ..."] | None]:
  """Gradients of the parameters, like `blank`, and of the inputs (None for
  symbols).

  r: the recurrent inputs; None where the cell has no recurrent product.
  dz: the cotangent of z, or of (zx, zh) for cells that keep the two apart.
  """
  if _is_one_product(cell, params, x):
    ones = jnp.ones((*x.shape[:-1], 1), x.dtype)
    inputs = jnp.concatenate([r.astype(x.dtype), x, ones], axis=-1)
    narrow = dz.astype(x.dtype)
    joint = jnp.matmul(
      inputs.reshape(-1, inputs.shape[-1]).T,
      narrow.reshape(-1, narrow.shape[-1]),
      preferred_element_type=dz.dtype,
    )
    return {"joint": joint}, narrow @ params["w_x"].astype(x.dtype).T
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


def of_step(
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


def unjoin(cell: Cell, params: Params, x: Array, gradients: Params) -> Params:
  """A gradient for each parameter."""
  if not _is_one_product(cell, params, x):
    return gradients
  rows, columns = params["w_h"].shape[0], params["w_x"].shape[0]
  w_h, w_x, b = jnp.split(gradients["joint"], [rows, rows + columns])
  return {"w_h": w_h, "w_x": w_x, "b": b[0]}


def _is_one_product(cell, params, x):
  return (
    not is_symbols(x)
    and cell.adds_products
    and type(cell).project is BasicCell.project
    and "w_h" in params
    and params["w_h"].ndim == 2
  )
