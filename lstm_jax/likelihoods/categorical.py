"""One symbol of several: a softmax."""

import dataclasses
from typing import Any

import jax
import optax

from lstm_jax.array_types import Array, ArrayLike, Bool, Float, Int, Key
from lstm_jax.cells.argument_checks import as_symbols, nearest_symbol
from lstm_jax.cells.short_repr import short


class _Symbols:
  """What follows from `logits()` [b t v]."""

  def logits(self) -> Float[Array, "b t v"]:
    raise NotImplementedError

  def mode(self) -> Int[Array, "b t"]:
    """The likeliest symbol."""
    return self.logits().argmax(-1)

  def sample(self, key: Key[Array, ""]) -> Int[Array, "b t"]:
    return jax.random.categorical(key, self.logits())


@dataclasses.dataclass(frozen=True)
class Categorical(_Symbols):
  """p = softmax(z)."""

  z: Float[Array, "b t v"]  # unnormalised log-probabilities
  unit = "nats_per_step"
  __repr__ = short

  def logits(self) -> Float[Array, "b t v"]:
    return self.z

  def nll(self, targets: ArrayLike) -> Float[Array, "b t"]:
    """Negative log-likelihood of the target symbols in nats.

    Targets out of range are a ValueError where they are known, and inside jit
    the nearest symbol.
    """
    size = self.z.shape[-1]
    targets = as_symbols("targets", targets, size, self.z.shape[:-1])
    targets = nearest_symbol(targets, size)
    return optax.losses.softmax_cross_entropy_with_integer_labels(
      self.z, targets
    )

  def errors(self, targets: Int[Array, "b t"]) -> Float[Array, "b t 1"]:
    """What the target's probability lacks to 1."""
    return -jax.numpy.expm1(-self.nll(targets)[..., None])

  def right(
    self, targets: Int[Array, "b t"], tolerance: float
  ) -> Bool[Array, "b t"]:
    """Whether the likeliest symbol is the target."""
    return self.mode() == targets


@dataclasses.dataclass(frozen=True)
class OfFeatures(_Symbols):
  """The same from the features below a softmax, which is made on demand: a loss
  need not keep the logits of a large vocabulary."""

  features: Float[Array, "b t h"]
  head: Any  # one of layers/heads.py
  __repr__ = short

  def logits(self) -> Float[Array, "b t v"]:
    return self.head.logits(self.features)

  def nll(self, targets: ArrayLike) -> Float[Array, "b t"]:
    return self.head.nll(self.features, targets)
