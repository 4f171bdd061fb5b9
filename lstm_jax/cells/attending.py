"""An LSTM that reads a memory at every step: attention inside the recurrence.

Of values v_s beside their keys k_s a query q reads

    read = sum_s a_s v_s,    a = softmax_s(score(q, k_s) + bias_s)

with one of three scores:

    additive  u . tanh(W q + k_s)   Bahdanau, Cho & Bengio 2015, "Neural Machine
                                    Translation by Jointly Learning to Align and
                                    Translate", ICLR, whose k_s = U v_s
    general   (W q) . k_s           Luong, Pham & Manning 2015, "Effective
    dot       q . k_s               Approaches to Attention-based Neural Machine
                                    Translation", EMNLP, whose k_s = v_s

What was read goes into the gates beside the hidden state. `layers/attention.py`
has attention outside the recurrence, where nothing that is read is fed back.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.array_types import Array, ArrayLike, Float, Key, Params
from lstm_jax.cells import initializers
from lstm_jax.cells.argument_checks import as_flags, as_floats, check_integer
from lstm_jax.cells.base import option
from lstm_jax.cells.lstm import LSTM, LSTMState
from lstm_jax.cells.short_repr import short

SCORES = ("additive", "general", "dot")
_NEVER = -3e4  # a bias that no score outweighs; float16 holds it


class AttentionMemory(NamedTuple):
  """What is read; a `context` of `unroll`. `attention_memory` makes it."""

  keys: Float[Array, "b s k"]
  values: Float[Array, "b s m"]
  bias: Float[Array, "b s"]  # added to scores; below -1.5e4: never read
  __repr__ = short


def attention_memory(
  keys: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None
) -> AttentionMemory:
  """The context of cells that attend.

  keys: [b s k].
  values: [b s m].
  mask: [b s]; False is never read, whatever it holds.

  Raises:
    ValueError: an argument is not of these shapes.
  """
  keys, values = as_floats("keys", keys), as_floats("values", values)
  if keys.ndim != 3:
    raise ValueError(
      f"keys must be [batch, source, features], got {keys.shape}"
    )
  if values.ndim != 3 or values.shape[:2] != keys.shape[:2]:
    batch, source, _ = keys.shape
    raise ValueError(
      f"values must be [{batch}, {source}, features], got {values.shape}"
    )
  mask = as_flags("mask", mask, keys.shape[:2])
  bias = jnp.zeros(keys.shape[:2], keys.dtype)
  if mask is not None:
    keys, values = (jnp.where(mask[..., None], a, 0) for a in (keys, values))
    bias = jnp.where(mask, bias, _NEVER)
  return AttentionMemory(keys, values, bias)


def score_params(
  score: str, key: Key[Array, ""], query_size: int, key_size: int
) -> Params:
  """Initial parameters of a score, LeCun uniform.

  Raises:
    ValueError: there is no such score, a size is below 1, or the two differ for
      "dot".
  """
  check_integer("query_size", query_size)
  check_integer("key_size", key_size)
  if score not in SCORES:
    raise ValueError(f"score must be one of {SCORES}, got {score!r}")
  if score == "dot":
    if query_size != key_size:
      raise ValueError(
        f'score "dot" needs keys as wide as queries, {query_size}, got'
        f" {key_size}"
      )
    return {}
  key_w, key_u = jax.random.split(key)
  params = {"w_q": initializers.lecun_uniform(key_w, (query_size, key_size))}
  if score == "additive":
    params["u"] = initializers.lecun_uniform(key_u, (key_size,))
  return params


def read_memory(
  score: str,
  params: Params,
  queries: Float[Array, "*n b h"],
  memory: AttentionMemory,
) -> tuple[Float[Array, "*n b m"], Float[Array, "*n b s"]]:
  """What each query reads, and its weights, which sum to 1; both are 0 for rows
  of which nothing may be read."""
  keys, values, bias = memory
  if score != "dot":
    queries = queries @ params["w_q"]
  if score == "additive":
    scores = jnp.tanh(queries[..., None, :] + keys) @ params["u"]
  else:
    scores = jnp.einsum("...bk,bsk->...bs", queries, keys)
  scores = scores + bias
  largest = jax.lax.stop_gradient(scores.max(-1, keepdims=True))
  weights = jnp.where(bias > _NEVER / 2, jnp.exp(scores - largest), 0)
  total = weights.sum(-1, keepdims=True)
  weights = weights / jnp.where(total > 0, total, 1)
  return jnp.einsum("...bs,bsm->...bm", weights, values), weights


class AttendingState(NamedTuple):
  h: Float[Array, "*n h"]
  c: Float[Array, "*n h"]
  read: Float[Array, "*n m"]  # what was read last
  __repr__ = short


@dataclasses.dataclass(frozen=True)
class AttendingLSTM(LSTM):
  """An LSTM whose gates also see what it reads; its output is [h; read].

  Its context is an `AttentionMemory`. The matrix w_h [h+m 4h] has the rows of h
  first, then those of what is read.

  memory_size: width m of the values.
  key_size: width k of the keys; 0 is that of the hidden state.
  score: "additive", "general" or "dot".
  before: read before each step, from h_{t-1} (Bahdanau et al. 2015); else after
    it, from h_t, for the gates of the next step (input feeding, Luong et al.
    2015), which is computed once where the other is computed twice.

  Raises:
    ValueError: a size is out of range, or the score unknown.
  """

  _: dataclasses.KW_ONLY
  memory_size: int
  key_size: int = option(0, 0, 10**6)
  score: str = option("additive", choices=SCORES)
  before: bool = False

  takes_context = True

  @property
  def output_size(self) -> int:
    return self.hidden_size + self.memory_size

  def init(self, key: Key[Array, ""], input_size: int) -> Params:
    """Those of `LSTM`, and LeCun uniform for what attends and is read."""
    key, key_read, key_score = jax.random.split(key, 3)
    params = super().init(key, input_size)
    h = self.hidden_size
    w_read = initializers.lecun_uniform(key_read, (self.memory_size, 4 * h))
    params["w_h"] = jnp.concatenate([params["w_h"], w_read])
    return params | score_params(self.score, key_score, h, self.key_size or h)

  def initial_state(
    self, batch: int, dtype: Any = jnp.float32
  ) -> AttendingState:
    h, c = super().initial_state(batch, dtype)
    return AttendingState(h, c, jnp.zeros((batch, self.memory_size), dtype))

  def recurrent_input(
    self, params: Params, state: AttendingState, context: AttentionMemory
  ) -> Float[Array, "*n r"]:
    read = state.read
    if self.before:
      read, _ = read_memory(self.score, params, state.h, context)
    return jnp.concatenate([state.h, read], axis=-1)

  def step(
    self,
    params: Params,
    z: Float[Array, "*n g"],
    state: AttendingState,
    noise: Float[Array, "*n h"] | None = None,
    context: AttentionMemory | None = None,
  ) -> AttendingState:
    """noise: as in `LSTM`."""
    assert context is not None  # `unroll` refuses a call without one
    h, c = super().step(params, z, LSTMState(state.h, state.c), noise)
    query = state.h if self.before else h
    read, _ = read_memory(self.score, params, query, context)
    return AttendingState(h, c, read)

  def output(self, state: AttendingState) -> Float[Array, "*n o"]:
    return jnp.concatenate([state.h, state.read], axis=-1)
