"""What turns the features of the last layer into probabilities of tokens.

Each has `logits(features)`, unnormalised log-probabilities [b t v], and
`nll(features, targets)`, nats [b t]. Targets out of range are a ValueError
where they are known, and inside jit the nearest symbol.
"""

import dataclasses

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, ArrayLike, Float
from lstm_jax.cells.argument_checks import (
  as_symbols,
  check_fields,
  check_number,
)
from lstm_jax.cells.base import matmul
from lstm_jax.cells.short_repr import short
from lstm_jax.layers import softmax


@dataclasses.dataclass(frozen=True)
class Head:
  """The way from the last layer to the softmax.

  tied: the softmax weights are the embedding, transposed.
  project: a linear map first, from the last layer to the embedding's width.
  experts: softmaxes that are mixed (Yang et al. 2018), 0 for a plain one. Each
    has features of the embedding's width.
  latent_dropout: of those features, one mask a window.
  cutoffs: of an adaptive softmax (Grave et al. 2017); none is a plain one.
  activation_l2, slowness_l2: penalties on the last layer's outputs and on their
    changes (AR's alpha and TAR's beta, Merity et al. 2018).
  """

  tied: bool = False
  project: bool = False
  experts: int = 0
  latent_dropout: float = 0.0
  cutoffs: tuple[int, ...] = ()
  activation_l2: float = 0.0
  slowness_l2: float = 0.0

  def __post_init__(self):
    fields = ("experts", "latent_dropout", "activation_l2", "slowness_l2")
    check_fields(self, dict.fromkeys(fields, 0))
    check_number("latent_dropout", self.latent_dropout, 0, 0.99)


def _cross_entropy(fused):
  return softmax.cross_entropy if fused else softmax.plain_cross_entropy


@dataclasses.dataclass(frozen=True)
class Softmax:
  """fused: the hand-written gradient, else JAX's.
  projection: a linear map before it, from the features' width to that of w.
  """

  w: Float[Array, "e v"]
  b: Float[Array, "v"]
  fused: bool = True
  projection: Float[Array, "h e"] | None = None
  __repr__ = short

  def _features(self, features):
    if self.projection is None:
      return features
    return features @ self.projection.astype(features.dtype)

  def logits(self, features: Float[Array, "b t h"]) -> Float[Array, "b t v"]:
    return softmax.logits(self._features(features), self.w, self.b)

  def nll(
    self, features: Float[Array, "b t h"], targets: ArrayLike
  ) -> Float[Array, "b t"]:
    size = self.b.shape[0]
    targets = as_symbols("targets", targets, size, features.shape[:-1])
    loss = _cross_entropy(self.fused)
    return loss(self._features(features), self.w, self.b, targets)


@dataclasses.dataclass(frozen=True)
class MixtureOfSoftmaxes:
  """K softmaxes that share their weights, mixed by weights of the context.

  Yang, Dai, Salakhutdinov & Cohen 2018, "Breaking the softmax bottleneck: a
  high-rank RNN language model", ICLR:

      p(v) = sum_k pi_k softmax(tanh(W_k h + b_k) w + b)_v,   pi = softmax(P h)

  factors: of dropout, on what tanh gives.
  """

  w: Float[Array, "e v"]
  b: Float[Array, "v"]
  prior: Float[Array, "h k"]
  latent_w: Float[Array, "h ke"]
  latent_b: Float[Array, "ke"]
  fused: bool = True
  factors: Float[Array, "b 1 ke"] | None = None
  __repr__ = short

  def _parts(self, features):
    """log pi [b t k] and the features of each softmax [b t k e]."""
    kind = features.dtype
    prior = matmul(features, self.prior)
    latent = features @ self.latent_w.astype(kind) + self.latent_b.astype(kind)
    latent = jnp.tanh(latent)
    if self.factors is not None:
      latent = latent * self.factors.astype(kind)
    latent = latent.reshape(*prior.shape, self.w.shape[0])
    return jax.nn.log_softmax(prior), latent

  def logits(self, features: Float[Array, "b t h"]) -> Float[Array, "b t v"]:
    """These are log-probabilities."""
    log_pi, latent = self._parts(features)
    log_p = jax.nn.log_softmax(softmax.logits(latent, self.w, self.b))
    return jax.nn.logsumexp(log_pi[..., None] + log_p, axis=-2)

  def nll(
    self, features: Float[Array, "b t h"], targets: ArrayLike
  ) -> Float[Array, "b t"]:
    size = self.b.shape[0]
    targets = as_symbols("targets", targets, size, features.shape[:-1])
    log_pi, latent = self._parts(features)
    each = jnp.broadcast_to(targets[..., None], log_pi.shape)
    nll = _cross_entropy(self.fused)(latent, self.w, self.b, each)
    return -jax.nn.logsumexp(log_pi - nll, axis=-1)
