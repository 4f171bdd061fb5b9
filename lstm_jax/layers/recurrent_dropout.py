"""Regularisers of the recurrence, drawn from explicit keys before the scan.

Each function takes a key, which None makes a no-op where it draws masks: at
evaluation nothing is dropped. Kept numbers are scaled by 1 / (1 - rate), so
that the mean stays.
"""

from typing import Any

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Float, Key, Params, State
from lstm_jax.layers.dropout import dropout
from lstm_jax.scan import Noise


def variational(
  noise: Noise, batch: int, size: int, rate: float, key: Key[Array, ""] | None
) -> Noise:
  """One mask a sequence on the recurrent input [b 1 r].

  Gal & Ghahramani 2016, "A Theoretically Grounded Application of Dropout in
  Recurrent Neural Networks", NeurIPS.
  """
  if key is None or rate == 0.0:
    return noise
  return noise._replace(
    recurrent=dropout(jnp.ones((batch, 1, size)), rate, key)
  )


def recurrent(
  noise: Noise,
  shape: tuple[int, int, int],
  rate: float,
  key: Key[Array, ""] | None,
) -> Noise:
  """A mask a step on the cell input g, [b t h] = shape.

  Semeniuta, Severyn & Barth 2016, "Recurrent Dropout without Memory Loss",
  COLING: the cell state itself is never dropped.
  """
  if key is None or rate == 0.0:
    return noise
  return noise._replace(step=dropout(jnp.ones(shape), rate, key))


def zoneout(
  noise: Noise,
  state: State,
  time: int,
  rates: Any,
  key: Key[Array, ""] | None,
) -> Noise:
  """Each unit of the state keeps its old value with a probability.

  Krueger et al. 2017, "Zoneout: Regularizing RNNs by Randomly Preserving Hidden
  Activations", ICLR. At evaluation (key None) the mean of old and new value is
  taken, weighted by the rate.

  Args:
    state: a state of the cell, for its shapes [b ...].
    rates: like the state, a number for each leaf, as LSTMState(h=0.05, c=0.5).
  """
  leaves, structure = jax.tree.flatten(state)
  numbers = jax.tree.leaves(rates)
  if key is None:
    hold = [
      jnp.full((s.shape[0], 1, *s.shape[1:]), r, s.dtype)
      for s, r in zip(leaves, numbers, strict=True)
    ]
  else:
    keys = jax.random.split(key, len(leaves))
    hold = [
      jax.random.bernoulli(k, r, (s.shape[0], time, *s.shape[1:])).astype(
        s.dtype
      )
      for k, s, r in zip(keys, leaves, numbers, strict=True)
    ]
  return noise._replace(hold=jax.tree.unflatten(structure, hold))


def weight_drop(
  params: Params, rate: float, key: Key[Array, ""] | None
) -> Params:
  """Drops recurrent weights, the same ones for the whole window.

  Merity, Keskar & Socher 2018, "Regularizing and Optimizing LSTM Language
  Models", ICLR, after DropConnect (Wan et al. 2013).
  """
  return params | {"w_h": dropout(params["w_h"], rate, key)}


def embedding_dropout(
  embedding: Float[Array, "v e"], rate: float, key: Key[Array, ""] | None
) -> Float[Array, "v e"]:
  """Drops whole rows: a word is dropped wherever it occurs (Gal & Ghahramani
  2016)."""
  if key is None or rate == 0.0:
    return embedding
  keep = dropout(jnp.ones((embedding.shape[0], 1)), rate, key)
  return embedding * keep


def locked(
  x: Float[Array, "b t d"], rate: float, key: Key[Array, ""] | None
) -> Float[Array, "b t d"]:
  """One mask a sequence on what flows upwards (Gal & Ghahramani 2016; "locked
  dropout" in Merity et al. 2018)."""
  if key is None or rate == 0.0:
    return x
  return x * dropout(jnp.ones((x.shape[0], 1, x.shape[2]), x.dtype), rate, key)
