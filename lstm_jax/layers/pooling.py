"""One vector for a whole sequence, as its classification needs it.

What is masked has no part in it, so that a padded sequence gives what the
shorter one gives; a sequence of nothing gives zeros.
"""

import jax.numpy as jnp
from flax import nnx

from lstm_jax.array_types import Array, ArrayLike, Float
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import as_flags, as_floats, check_integer
from lstm_jax.layers.attention import attend

POOLINGS = ("last", "mean", "max")


def pool(
  name: str, features: ArrayLike, mask: ArrayLike | None = None
) -> Float[Array, "b h"]:
  """The last step's features, or the mean or largest of each over the steps.

  features: [b t h].
  mask: [b t]; False leaves a step out.

  Raises:
    ValueError: there is no such pooling, or an argument is not of these shapes.
  """
  if name not in POOLINGS:
    raise ValueError(f"name must be one of {POOLINGS}, got {name!r}")
  features, mask = _take(features, mask)
  time = features.shape[1]
  if not time:
    return jnp.zeros((len(features), features.shape[2]), features.dtype)
  live = mask[..., None]
  features = jnp.where(live, features, 0)
  if name == "last":
    number = time - 1 - jnp.argmax(mask[:, ::-1], axis=1)
    return jnp.take_along_axis(features, number[:, None, None], 1)[:, 0]
  if name == "mean":
    count = jnp.maximum(live.sum(1), 1).astype(features.dtype)
    return features.sum(1) / count
  largest = jnp.where(live, features, -jnp.inf).max(1)
  return jnp.where(live.any(1), largest, 0)


class AttentionPooling(nnx.Module):
  """A mean whose weights are learned: softmax_t(q . tanh(W f_t + b)).

  Yang et al. 2016, "Hierarchical Attention Networks for Document
  Classification", NAACL, equations 5 to 7.

  attention_size: width of q; 0 is that of the features.
  """

  def __init__(self, features: int, attention_size: int = 0, *, rngs: nnx.Rngs):
    check_integer("features", features)
    check_integer("attention_size", attention_size, 0)
    k = attention_size or features
    self.w = nnx.Param(initializers.lecun_uniform(rngs.params(), (features, k)))
    self.b = nnx.Param(jnp.zeros(k))
    self.query = nnx.Param(initializers.lecun_uniform(rngs.params(), (k,)))

  def __call__(
    self, features: ArrayLike, mask: ArrayLike | None = None
  ) -> tuple[Float[Array, "b h"], Float[Array, "b t"]]:
    """The pooled features [b t h] and the weight of each step."""
    features, mask = _take(features, mask)
    features = jnp.where(mask[..., None], features, 0)
    w, b, query = (
      p[...].astype(features.dtype) for p in (self.w, self.b, self.query)
    )
    keys = jnp.tanh(features @ w + b)
    queries = jnp.broadcast_to(query, (len(keys), 1, len(query)))
    read, weights = attend(queries, keys, features, mask)
    return read[:, 0], weights[:, 0]


def _take(features, mask):
  features = as_floats("features", features)
  if features.ndim != 3:
    raise ValueError(
      f"features must be [batch, time, features], got {features.shape}"
    )
  mask = as_flags("mask", mask, features.shape[:2])
  if mask is None:
    mask = jnp.ones(features.shape[:2], bool)
  return features, mask
