"""Dropout of what flows upwards, from explicit keys.

Every row of a batch has a key of its own, so that a row's masks are the same
wherever and beside whatever it is computed. Kept numbers are scaled by
1 / (1 - rate), so that the mean stays; without keys, as at evaluation, nothing
is dropped.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax

from lstm_jax.array_types import Array, Float, Int, Key
from lstm_jax.cells.argument_checks import check_number
from lstm_jax.cells.short_repr import short


@dataclasses.dataclass(slots=True, unsafe_hash=True)
class Dropout:
  """The rate of every kind of dropout in a recurrent model; 0 is none."""

  RANGES: ClassVar = dict.fromkeys(
    (
      *("input", "between", "output", "embedding"),
      *("recurrent", "cell_input", "weight", "zoneout_h", "zoneout_c"),
    ),
    (0, 0.99),
  )

  # on the input of the first layer, between layers, on the output of the last
  # (Zaremba et al. 2014 use one rate for the three)
  input: float = 0.0
  between: float = 0.0
  output: float = 0.0
  # the masks of those three stay the same through a window ("locked")
  locked: bool = False
  # whole rows of the embedding
  embedding: float = 0.0
  # on the recurrent input, one mask a window (Gal & Ghahramani 2016)
  recurrent: float = 0.0
  # on the cell input g, one mask a step (Semeniuta et al. 2016)
  cell_input: float = 0.0
  # on the recurrent weights, one mask a window (Merity et al. 2018)
  weight: float = 0.0
  # units of h, and of the rest of the state, that keep their value (Krueger et
  # al. 2017); sLSTM and the matrix LSTM have no zoneout_c
  zoneout_h: float = 0.0
  zoneout_c: float = 0.0


class NoiseKeys(NamedTuple):
  """Keys of one use of a model on one batch."""

  shared: Key[Array, ""]  # for masks of parameters
  rows: Key[Array, "b"]  # for masks of activations

  def fold_in(self, data: Any) -> "NoiseKeys":
    """New keys for another place in the model."""
    rows = jax.vmap(jax.random.fold_in, (0, None))(self.rows, data)
    return NoiseKeys(jax.random.fold_in(self.shared, data), rows)


def noise_keys(key: Key[Array, ""], rows: Int[Array, "b"]) -> NoiseKeys:
  """Keys for the rows of a batch with these numbers."""
  shared, base = jax.random.split(key)
  return NoiseKeys(shared, jax.vmap(jax.random.fold_in, (None, 0))(base, rows))


def check_rates(rates: Dropout):
  """Raises ValueError for a rate that is no probability."""
  for name, (low, high) in rates.RANGES.items():
    check_number(f"rates.{name}", getattr(rates, name), low, high)


def check_keys(keys: Any, batch: int):
  """Raises ValueError unless there is a key for each row."""
  if not isinstance(keys, NoiseKeys):
    raise ValueError(f"keys must be made by noise_keys, got {short(keys)}")
  if keys.rows.shape != (batch,):
    raise ValueError(
      f"keys.rows must be one key a row, {(batch,)}, got {keys.rows.shape}"
    )


def keep_rows(
  keys: Key[Array, "b"], rate: float, shape: tuple[int, ...]
) -> Float[Array, "b ..."]:
  """For each row, factors of a shape: 0 with probability `rate`, else
  1 / (1 - rate)."""
  draw = jax.vmap(lambda key: jax.random.bernoulli(key, 1.0 - rate, shape))
  return draw(keys).astype(float) / (1.0 - rate)


def dropout(
  x: Float[Array, "b t ..."],
  rate: float,
  keys: NoiseKeys | None,
  locked: bool = False,
) -> Float[Array, "b t ..."]:
  """Drops elements (Srivastava et al. 2014); locked, the same ones at every
  step (Gal & Ghahramani 2016)."""
  check_number("rate", rate, 0, 0.99)
  if keys is None or rate == 0.0:
    return x
  check_keys(keys, len(x))
  _, time, *features = x.shape
  factors = keep_rows(keys.rows, rate, (1 if locked else time, *features))
  return x * factors.astype(x.dtype)


def embedding_dropout(
  embedding: Float[Array, "v e"], rate: float, keys: NoiseKeys | None
) -> Float[Array, "v e"]:
  """Drops whole rows: a word is dropped wherever it occurs (Gal & Ghahramani
  2016)."""
  if keys is None or rate == 0.0:
    return embedding
  keep = jax.random.bernoulli(keys.shared, 1.0 - rate, (embedding.shape[0], 1))
  factors = keep.astype(float) / (1.0 - rate)
  return embedding * factors.astype(embedding.dtype)
