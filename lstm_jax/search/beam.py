"""Beam search: the likeliest beginnings of an answer are kept, and go on.

Graves 2012, "Sequence transduction with recurrent neural networks"; the length
penalty is from Wu et al. 2016, "Google's neural machine translation system",
eq. 14. An answer that has ended keeps its score and takes no place among those
that go on. With as many beams as there are beginnings the search is exact.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.array_types import Array, Float, Int
from lstm_jax.search.base import Prediction, SearchConfig


def length_penalty(
  lengths: Int[Array, "*n"] | int, alpha: float
) -> Float[Array, "*n"]:
  """What the log-probability of an answer of so many symbols is divided by:
  ((5 + n) / 6)^alpha."""
  return ((5.0 + jnp.asarray(lengths, jnp.float32)) / 6.0) ** alpha


def beam_search(
  model: Any, inputs: Any, config: SearchConfig, length: int, end: int
) -> Prediction:
  """The `config.best` likeliest answers of at most `length` symbols, which are
  followed by `end`; runs inside jit.

  Lengths of the penalty count the end.
  """
  width, alpha = config.width, config.length_penalty
  context, state, first = model.start(inputs)
  rows = first.shape[0]

  def spread(tree):
    """A row becomes `width` rows."""
    return jax.tree.map(lambda a: jnp.repeat(a, width, 0), tree)

  context = spread(context)
  # One beam begins; the others are worth nothing until they are taken up.
  alive = jnp.full((rows, width), -jnp.inf).at[:, 0].set(0.0)
  nothing = jnp.full((rows, width, length), end, jnp.int32)
  live = spread(state), spread(first), nothing, alive
  done = nothing, jnp.zeros((rows, width), jnp.int32), -jnp.inf + alive

  def step(carry, n):
    (state, symbols, texts, alive), done = carry
    likelihood, state = model.step(context, state, symbols)
    log_p = jax.nn.log_softmax(likelihood.logits().astype(jnp.float32))
    log_p = log_p.reshape(rows, width, -1)
    size = log_p.shape[-1]
    done = _keep_best(
      done,
      (
        texts,
        jnp.full((rows, width), n),
        (alive + log_p[..., end]) / length_penalty(n + 1, alpha),
      ),
    )
    total = alive[..., None] + log_p.at[..., end].set(-jnp.inf)
    alive, places = lax.top_k(total.reshape(rows, -1), width)
    parents, symbols = jnp.divmod(places, size)
    here = (jnp.arange(rows)[:, None] * width + parents).reshape(-1)
    state = jax.tree.map(lambda a: a[here], state)
    texts = jnp.take_along_axis(texts, parents[..., None], 1)
    # The last of the length + 1 steps can only end.
    texts = texts.at[:, :, n].set(symbols, mode="drop")
    live = state, symbols.reshape(-1).astype(first.dtype), texts, alive
    return (live, done), None

  (_, done), _ = lax.scan(step, (live, done), jnp.arange(length + 1))
  return Prediction(*(a[:, : config.best] for a in done))


def _keep_best(done, new):
  """The best of the answers that had ended and of those that end now."""
  texts, lengths, scores = (
    jnp.concatenate(pair, 1) for pair in zip(done, new, strict=True)
  )
  scores, order = lax.top_k(scores, done[2].shape[1])
  texts = jnp.take_along_axis(texts, order[..., None], 1)
  return texts, jnp.take_along_axis(lengths, order, 1), scores
