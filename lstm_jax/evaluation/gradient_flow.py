"""How far back in time a gradient reaches.

Hochreiter 1991, "Untersuchungen zu dynamischen neuronalen Netzen"; Bengio,
Simard & Frasconi 1994, "Learning Long-Term Dependencies with Gradient Descent
is Difficult", IEEE Transactions on Neural Networks 5: the gradient of a loss
L_T at step T with respect to the state k steps before is a product of k
Jacobians, and vanishes or explodes exponentially in k unless they are close to
orthogonal. Along an LSTM's cell state they are the forget gates (where the
gates do not depend on the hidden state), along the one of 1997 exactly 1.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.array_types import Array, Float, Params, PyTree
from lstm_jax.cells.base import Cell
from lstm_jax.recurrence.products import recurrent_product

VANISHED = -6.0  # log10 of a norm, relative to lag 0, that counts as gone


def gradients_by_lag(
  cell: Cell, params: Params, x: Float[Array, "b t d"], dstate: Any
) -> PyTree[Float[Array, "b t ..."]]:
  """dL_T / d state_{T-k} in column k, for every part of the state.

  Nothing is read from a state but what the next step reads, and L_T from the
  last: h and c of an LSTM are two variables. A perturbation epsilon_t = 0 is
  added to the state after each step, so that one backward pass,
  dL_T / d epsilon_t, gives all lags.

  Args:
    x: the inputs from the initial state on.
    dstate: dL_T / d state_T, shaped as the state.
  """
  zx = jnp.swapaxes(cell.project(params, x), 0, 1)

  def last_state(epsilon):
    def step(state, inputs):
      z, epsilon_t = inputs
      if "w_h" in params:
        zh = recurrent_product(
          cell.recurrent_input(params, state), params["w_h"]
        )
        z = z + zh if cell.adds_products else (z, zh)
      state = cell.step(params, z, state)
      return jax.tree.map(jnp.add, state, epsilon_t), None

    initial = cell.initial_state(x.shape[0], zx.dtype)
    return lax.scan(step, initial, (zx, epsilon))[0]

  zeros = jax.tree.map(
    lambda leaf: jnp.zeros((x.shape[1], *leaf.shape), zx.dtype), dstate
  )
  _, vjp = jax.vjp(last_state, zeros)
  (gradients,) = vjp(dstate)
  return jax.tree.map(lambda a: jnp.swapaxes(a[::-1], 0, 1), gradients)


def log10_norm(a: Float[Array, "*n h"]) -> Float[Array, "*n"]:
  """log10 of the Euclidean norm; -inf where it is 0.

  Scaled by the largest entry, whose square may be too small for its type.
  """
  largest = jnp.abs(a).max(-1)
  scaled = a / jnp.where(largest > 0, largest, 1)[..., None]
  return jnp.log10(largest) + 0.5 * jnp.log10(jnp.square(scaled).sum(-1))


def slope(log10_norms: np.ndarray) -> float | None:
  """Decades a step: the least-squares line through what is finite; None where
  fewer than two points are."""
  finite = np.flatnonzero(np.isfinite(log10_norms))
  if len(finite) < 2:
    return None
  return float(np.polyfit(finite, log10_norms[finite], 1)[0])


def lag_below(log10_norms: np.ndarray, level: float = VANISHED) -> int | None:
  """The first lag from which on the norms stay below; None if they do not."""
  above = np.flatnonzero(log10_norms >= level)
  first = int(above[-1]) + 1 if len(above) else 0
  return first if first < len(log10_norms) else None
