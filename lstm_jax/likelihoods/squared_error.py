"""Numbers within a tolerance: half the squared error, as Hochreiter &
Schmidhuber 1997 have it, the likelihood of a normal distribution of variance 1
but for a constant."""

import dataclasses

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Key
from lstm_jax.cells.short_repr import short


@dataclasses.dataclass(frozen=True)
class SquaredError:
  z: Float[Array, "b t k"]  # the numbers that are said
  unit = "squared_error"
  __repr__ = short

  def values(self) -> Float[Array, "b t k"]:
    return self.z

  def logits(self) -> Float[Array, "b t k"]:
    """What outputs are compared by."""
    return self.z

  def nll(
    self,
    targets: Float[Array, "b t k"],
    asked: Bool[Array, "b t k"] | None = None,
  ) -> Float[Array, "b t"]:
    """Half the squared error, summed over the outputs that are asked for."""
    return (0.5 * jnp.square(self.z - targets)).sum(-1, where=asked)

  def errors(self, targets: Float[Array, "b t k"]) -> Float[Array, "b t k"]:
    return jnp.abs(self.z - targets)

  def right(
    self, targets: Float[Array, "b t k"], tolerance: float
  ) -> Bool[Array, "b t"]:
    """Whether no output is off by more than the tolerance."""
    return self.errors(targets).max(-1) <= tolerance

  def mode(self) -> Float[Array, "b t k"]:
    return self.z

  def sample(self, key: Key[Array, ""]) -> Float[Array, "b t k"]:
    return self.z + jax.random.normal(key, self.z.shape, self.z.dtype)
