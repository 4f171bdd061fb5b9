"""Attention outside the recurrence: all queries of a sequence at once.

For models that feed nothing of what they read back into a recurrence, as Luong
et al. 2015 without input feeding; `cells/attending.py` has the scores, and the
cell that feeds it back.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lstm_jax.array_types import Array, ArrayLike, Float, Params
from lstm_jax.cells.argument_checks import as_floats
from lstm_jax.cells.attending import (
  attention_memory,
  read_memory,
  score_params,
)
from lstm_jax.cells.base import widest


def attend(
  queries: ArrayLike,
  keys: ArrayLike,
  values: ArrayLike,
  mask: ArrayLike | None = None,
  *,
  score: str = "dot",
  params: Params | None = None,
) -> tuple[Float[Array, "b t m"], Float[Array, "b t s"]]:
  """What each query reads of the values, and the weights it gives them.

  It is computed in float32 or wider; what is read has the type of the queries.

  Args:
    queries: [b t h].
    keys: [b s k]; k = h for the score "dot".
    values: [b s m].
    mask: [b s]; False is never read. Where nothing may be read, 0 is.
    score: "additive", "general" or "dot".
    params: of the score, from `score_params`; None for "dot", which has none.

  Raises:
    ValueError: an argument is not of these shapes.
  """
  queries = as_floats("queries", queries)
  if queries.ndim != 3:
    raise ValueError(
      f"queries must be [batch, time, features], got {queries.shape}"
    )
  memory, weights = attention_memory(keys, values, mask), params or {}
  width = weights["w_q"].shape[1] if weights else queries.shape[-1]
  if memory.keys.shape[::2] != (len(queries), width):
    raise ValueError(
      f"keys must be [{len(queries)}, source, {width}], got {memory.keys.shape}"
    )
  arrays = queries, memory, weights
  wide = widest("float32", *(a.dtype for a in jax.tree.leaves(arrays)))
  wider, memory, weights = jax.tree.map(lambda a: a.astype(wide), arrays)
  read, shares = (
    jnp.swapaxes(a, 0, 1)
    for a in read_memory(score, weights, jnp.swapaxes(wider, 0, 1), memory)
  )
  return read.astype(queries.dtype), shares


class Attention(nnx.Module):
  """`attend` with parameters of its own.

  Raises:
    ValueError: as `score_params`.
  """

  def __init__(
    self, score: str, query_size: int, key_size: int, *, rngs: nnx.Rngs
  ):
    self.score = score
    params = score_params(score, rngs.params(), query_size, key_size)
    self.params = nnx.Dict(jax.tree.map(nnx.Param, params))

  def __call__(
    self,
    queries: ArrayLike,
    keys: ArrayLike,
    values: ArrayLike,
    mask: ArrayLike | None = None,
  ) -> tuple[Float[Array, "b t m"], Float[Array, "b t s"]]:
    params = {name: param[...] for name, param in self.params.items()}
    return attend(queries, keys, values, mask, score=self.score, params=params)
