"""Regularisers of the recurrence, drawn from explicit keys before the scan."""

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Params, State
from lstm_jax.cells.base import Cell, StateNoise
from lstm_jax.layers.dropout import Dropout, NoiseKeys, keep_rows
from lstm_jax.recurrence.products import recurrent_size
from lstm_jax.recurrence.scan import Noise

# The rates of `Dropout` that are drawn here.
RATES = ("recurrent", "cell_input", "weight", "zoneout_h", "zoneout_c")


def draw(
  rates: Dropout,
  cell: Cell,
  params: Params,
  state: State,
  time: int,
  keys: NoiseKeys | None,
) -> tuple[Params, Noise]:
  """Parameters and noise for one layer and one window.

  state: a state of the cell, for its shapes [b ...].
  """
  noise = Noise()
  if rates.zoneout_h or rates.zoneout_c:
    noise = noise._replace(hold=zoneout(rates, state, time, keys))
  if keys is None:
    return params, noise
  factor = on_state = None
  if rates.weight:
    params = weight_drop(params, rates.weight, keys)
  if rates.recurrent:
    size = cell.hidden_size
    if "w_h" in params:
      size = recurrent_size(params["w_h"])
    on_state = variational(size, rates.recurrent, keys)
    if not cell.takes_state_noise:
      noise = noise._replace(recurrent=on_state)
  if rates.cell_input:
    width = *getattr(cell, "image_size", ()), cell.hidden_size
    factor = recurrent((time, *width), rates.cell_input, keys)
    noise = noise._replace(step=factor)
  if cell.takes_state_noise and (rates.recurrent or rates.cell_input):
    noise = noise._replace(step=StateNoise(factor, on_state))
  return params, noise


def misplaced(rates: Dropout, cell: Cell) -> str | None:
  """The first rate that is set and that the cell has no place for."""
  return min(
    (n for n in without_place(cell) if getattr(rates, n)), default=None
  )


def without_place(cell: Cell) -> set[str]:
  """The rates of `Dropout` that the cell has no place for."""
  params, state = jax.eval_shape(
    lambda: (cell.init(jax.random.key(0), 1), cell.initial_state(1))
  )
  places = {
    "recurrent": "w_h" in params or cell.takes_state_noise,
    "weight": "w_h" in params,
    "cell_input": cell.has_cell_input,
    # c and n of stabilised cells are in units of exp(m): they change together.
    "zoneout_c": len(state) > 1 and "m" not in state._fields,
  }
  return {name for name, place in places.items() if not place}


def variational(
  size: int, rate: float, keys: NoiseKeys
) -> Float[Array, "b 1 r"]:
  """One mask a sequence on the recurrent input.

  Gal & Ghahramani 2016, "A Theoretically Grounded Application of Dropout in
  Recurrent Neural Networks", NeurIPS.
  """
  return keep_rows(keys.fold_in(0).rows, rate, (1, size))


def recurrent(
  shape: tuple[int, ...], rate: float, keys: NoiseKeys
) -> Float[Array, "b t ..."]:
  """A mask a step on the cell input g.

  Semeniuta, Severyn & Barth 2016, "Recurrent Dropout without Memory Loss",
  COLING: the cell state itself is never dropped.
  """
  return keep_rows(keys.fold_in(1).rows, rate, shape)


def zoneout(
  rates: Dropout, state: State, time: int, keys: NoiseKeys | None
) -> State:
  """Each unit of the state keeps its old value with a probability.

  Krueger et al. 2017, "Zoneout: Regularizing RNNs by Randomly Preserving Hidden
  Activations", ICLR. At evaluation (keys None) the mean of old and new value is
  taken, weighted by the rate. `zoneout_h` is the hidden state's; `zoneout_c` is
  that of everything else the state holds.

  Returns:
    What to put into `Noise.hold`: 1 keeps the old value, [b t ...] a leaf.
  """

  def hold(number, name, leaf):
    if leaf is None:
      return None
    rate = rates.zoneout_h if name == "h" else rates.zoneout_c
    if keys is None or rate == 0.0:
      return jnp.full((leaf.shape[0], 1, *leaf.shape[1:]), rate, leaf.dtype)
    shape = (time, *leaf.shape[1:])
    stay = jax.vmap(lambda key: jax.random.bernoulli(key, rate, shape))
    return stay(keys.fold_in(2 + number).rows).astype(leaf.dtype)

  leaves = zip(state._fields, state, strict=True)
  return type(state)(*(hold(n, *leaf) for n, leaf in enumerate(leaves)))


def weight_drop(params: Params, rate: float, keys: NoiseKeys) -> Params:
  """Drops recurrent weights, the same ones for the whole window.

  Merity, Keskar & Socher 2018, "Regularizing and Optimizing LSTM Language
  Models", ICLR, after DropConnect (Wan et al. 2013).
  """
  w_h = params["w_h"]
  keep = jax.random.bernoulli(keys.shared, 1.0 - rate, w_h.shape)
  return params | {"w_h": jnp.where(keep, w_h / (1.0 - rate), 0.0)}
