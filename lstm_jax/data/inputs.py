"""What models read: a few families of inputs, each with its masks inside.

Every leaf has the rows of a batch first, so that devices can share them. A mask
is True inside a sequence; None is sequences that are all as long as the array.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Int


class Tokens(NamedTuple):
  """Symbols, each below the number of symbols that there are."""

  x: Int[Array, "b t"]
  mask: Bool[Array, "b t"] | None = None
  # a document begins here: the state starts afresh before this step
  reset: Bool[Array, "b t"] | None = None


class Frames(NamedTuple):
  """Numbers: features [d] of each step, or images [y x d]."""

  x: Float[Array, "b t ..."]
  mask: Bool[Array, "b t"] | None = None


class Pair(NamedTuple):
  """A source, and the target that is said from it, one step late: `before[t]`
  is what stands before the symbol to be said at t."""

  source: Int[Array, "b s"] | Float[Array, "b s d"]
  source_mask: Bool[Array, "b s"]
  before: Int[Array, "b t"]
  before_mask: Bool[Array, "b t"]


def tokens_or_frames(x: Any, mask: Any = None) -> Tokens | Frames:
  """Integers are symbols, anything else numbers."""
  symbols = jnp.issubdtype(x.dtype, jnp.integer)
  return (Tokens if symbols else Frames)(x, mask)
