"""Outputs that are each 0 or 1, as the keys of a piano."""

import dataclasses

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, Bool, Float, Key
from lstm_jax.cells.short_repr import short


@dataclasses.dataclass(frozen=True)
class Bernoulli:
  z: Float[Array, "b t k"]  # log-odds of a 1
  unit = "nats_per_frame"
  __repr__ = short

  def logits(self) -> Float[Array, "b t k"]:
    return self.z

  def _nll(self, targets):
    return jax.nn.softplus(self.z) - targets * self.z

  def nll(self, targets: Float[Array, "b t k"]) -> Float[Array, "b t"]:
    """Nats, summed over the outputs."""
    return self._nll(targets).sum(-1)

  def errors(self, targets: Float[Array, "b t k"]) -> Float[Array, "b t k"]:
    """What the target's probability lacks to 1."""
    return -jnp.expm1(-self._nll(targets))

  def right(
    self, targets: Float[Array, "b t k"], tolerance: float
  ) -> Bool[Array, "b t"]:
    """Whether every output is on its side of one half."""
    return ((self.z > 0) == (targets > 0.5)).all(-1)

  def mode(self) -> Float[Array, "b t k"]:
    return (self.z > 0).astype(self.z.dtype)

  def sample(self, key: Key[Array, ""]) -> Float[Array, "b t k"]:
    drawn = jax.random.bernoulli(key, jax.nn.sigmoid(self.z))
    return drawn.astype(self.z.dtype)
