"""A softmax for large vocabularies: rare words in clusters of less capacity.

Grave, Joulin, Cisse, Grangier & Jegou 2017, "Efficient softmax approximation
for GPUs", ICML. Words are numbered by frequency, the commonest first, and
`cutoffs` divide them. Words before the first cutoff have their place in the
head, and each cluster k of the others has one there too:

    p(v) = p_head(v)                          before the first cutoff
    p(v) = p_head(cluster k) p_k(v | k)       else

where cluster k = 1, 2, ... reads features projected to h / 4^k.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, ArrayLike, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import as_symbols, nearest_symbol
from lstm_jax.cells.short_repr import short
from lstm_jax.layers import softmax

_SMALLER = 4  # times, each cluster's features
_BLOCK = 512  # positions


def init(
  key: Key[Array, ""], hidden: int, vocabulary: int, cutoffs: tuple[int, ...]
) -> Params:
  """Weights of the head, and the projection and weights of each cluster.

  Raises:
    ValueError: the cutoffs do not rise between 1 and the vocabulary's size.
  """
  bounds = [0, *cutoffs, vocabulary]
  if not cutoffs or any(a >= b for a, b in itertools.pairwise(bounds)):
    raise ValueError(
      f"cutoffs must rise between 1 and {vocabulary - 1}, got {cutoffs}"
    )
  head = cutoffs[0] + len(cutoffs)
  keys = iter(jax.random.split(key, 1 + 2 * len(cutoffs)))
  params = {
    "head_w": initializers.lecun_uniform(next(keys), (hidden, head)),
    "head_b": jnp.zeros(head),
  }
  clusters = itertools.pairwise(bounds[1:])
  for number, (low, high) in enumerate(clusters, 1):
    width = max(hidden // _SMALLER**number, 1)
    draw = initializers.lecun_uniform
    params |= {
      f"cluster{number}_projection": draw(next(keys), (hidden, width)),
      f"cluster{number}_w": draw(next(keys), (width, high - low)),
      f"cluster{number}_b": jnp.zeros(high - low),
    }
  return params


@dataclasses.dataclass(frozen=True)
class AdaptiveSoftmax:
  """One of the heads of a language model; params are `init`'s."""

  params: Params
  cutoffs: tuple[int, ...]
  fused: bool = True
  __repr__ = short

  def _cluster(self, number, features):
    """Projected features, weights and biases of a cluster, from 1 on."""
    projection, w, b = (
      self.params[f"cluster{number}_{name}"]
      for name in ("projection", "w", "b")
    )
    return features @ projection.astype(features.dtype), w, b

  def logits(self, features: Float[Array, "b t h"]) -> Float[Array, "b t v"]:
    """These are log-probabilities, of every word: for sampling."""
    first, p = self.cutoffs[0], self.params
    head = softmax.logits(features, p["head_w"], p["head_b"])
    head = jax.nn.log_softmax(head)
    parts = [head[..., :first]]
    for number in range(1, len(self.cutoffs) + 1):
      inside = softmax.logits(*self._cluster(number, features))
      inside = jax.nn.log_softmax(inside)
      parts.append(inside + head[..., first + number - 1, None])
    return jnp.concatenate(parts, axis=-1)

  def nll(
    self, features: Float[Array, "b t h"], targets: ArrayLike
  ) -> Float[Array, "b t"]:
    """Only clusters that targets lie in are computed: positions are sorted by
    cluster and taken block by block."""
    size = self.cutoffs[-1] + self.params[f"cluster{len(self.cutoffs)}_b"].size
    targets = as_symbols("targets", targets, size, features.shape[:-1])
    if not targets.size:  # no row, or no step
      return jnp.zeros(targets.shape, self.params["head_b"].dtype)
    targets = nearest_symbol(targets, size)
    loss = softmax.cross_entropy if self.fused else softmax.plain_cross_entropy
    flat, words = features.reshape(-1, features.shape[-1]), targets.reshape(-1)
    first, p = self.cutoffs[0], self.params
    cluster = (words[:, None] >= jnp.array(self.cutoffs)).sum(-1)
    place = jnp.where(cluster > 0, first + cluster - 1, words)
    nll = loss(flat, p["head_w"], p["head_b"], place)

    order = jnp.argsort(cluster)
    parts = []
    for start in range(0, len(words), _BLOCK):
      rows = order[start : start + _BLOCK]
      parts.append(self._inside(loss, flat[rows], words[rows], cluster[rows]))
    inside = jnp.zeros_like(nll).at[order].set(jnp.concatenate(parts))
    return (nll + inside).reshape(targets.shape)

  def _inside(self, loss, features, words, cluster):
    """Nats of the words, given their clusters."""
    nats = jnp.zeros(words.shape, self.params["head_b"].dtype)
    for number, low in enumerate(self.cutoffs, 1):
      here = cluster == number

      def compute(features, number=number, low=low):
        x, w, b = self._cluster(number, features)
        return loss(x, w, b, (words - low).clip(0, b.shape[0] - 1))

      nll = jax.lax.cond(
        here.any(),
        compute,
        lambda f, zeros=nats: jnp.zeros_like(zeros),
        features,
      )
      nats = jnp.where(here, nll, nats)
    return nats
