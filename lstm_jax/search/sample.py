"""Symbols drawn one after the other, and the score of those that are there."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from lstm_jax.array_types import Array, Float, Int, Key
from lstm_jax.search.base import Prediction, SearchConfig

_BLOCK = 32  # symbols sampled in one dispatch
_WINDOW = 256  # symbols of a prompt read in one dispatch


def sample_answers(
  model: Any,
  inputs: Any,
  config: SearchConfig,
  length: int,
  end: int,
  key: Key[Array, ""],
) -> Prediction:
  """An answer of each row, drawn, or with the likeliest symbol at every step;
  runs inside jit.

  Its score is its log-probability under the model, the end included where it is
  reached.
  """
  key = jax.random.fold_in(key, config.seed)
  temperature = 0.0 if config.name == "greedy" else config.temperature
  context, state, first = model.start(inputs)

  def step(carry, n):
    state, symbols, ended, score = carry
    likelihood, state = model.step(context, state, symbols)
    logits = likelihood.logits()[:, 0].astype(jnp.float32)
    drawn = choose(
      logits,
      jnp.float32(temperature),
      config.top_k,
      jax.random.fold_in(key, n),
      config.top_p,
    )
    drawn = jnp.where(ended, end, drawn).astype(symbols.dtype)
    log_p = jax.nn.log_softmax(logits)
    log_p = jnp.take_along_axis(log_p, drawn[:, None], 1)[:, 0]
    score += jnp.where(ended, 0.0, log_p)
    return (state, drawn, ended | (drawn == end), score), (drawn, ended)

  rows = first.shape[0]
  carry = state, first, jnp.zeros(rows, bool), jnp.zeros(rows)
  carry, (symbols, ended) = lax.scan(step, carry, jnp.arange(length))
  symbols = symbols.T
  lengths = (symbols != end).sum(1)
  return Prediction(symbols[:, None], lengths[:, None], carry[-1][:, None])


def generate(
  model: Any,
  prompt: np.ndarray,
  length: int,
  *,
  temperature: float = 1.0,
  top_k: int = 0,
  top_p: float = 1.0,
  seed: int = 0,
  forbidden: tuple[int, ...] = (0,),
  restart: int | None = None,
) -> Iterator[np.ndarray]:
  """Continues a prompt; yields the symbols in blocks as they are made.

  Args:
    model: a language model.
    prompt: at least one symbol number, [t].
    length: symbols to make.
    temperature: the logits are divided by it; 0 takes the likeliest symbol.
    top_k: sample among the k likeliest symbols only; 0 among all.
    top_p: sample among the likeliest symbols that have this much of the
      probability together.
    seed: symbol n is drawn from fold_in(key(seed), n): the same seed gives the
      same text whatever the length.
    forbidden: symbols that are never made, such as the unknown one.
    restart: a symbol before which the state starts afresh.
  """
  structure, params = nnx.split(model)
  banned = np.zeros(model.vocabulary_size, bool)
  banned[list(forbidden)] = True
  carry, _ = _read_windows(model, prompt, restart)
  symbol = jnp.int32(prompt[-1:])
  key = jax.random.key(seed)
  for start in range(0, length, _BLOCK):
    carry, symbol, block = _sample_block(
      structure,
      params,
      carry,
      symbol,
      key,
      jnp.int32(start),
      jnp.float32(temperature),
      jnp.asarray(banned),
      restart=restart,
      top_k=min(top_k, model.vocabulary_size),
      top_p=top_p,
    )
    yield np.asarray(block)[: length - start]


def score_tokens(model: Any, symbols: np.ndarray) -> np.ndarray:
  """Negative log-likelihood of symbols[1:] in nats, [t - 1], each given all
  before it; the first symbol is only read."""
  return _read_windows(model, symbols)[1]


def _read_windows(model, symbols, restart=None) -> tuple:
  """State before the last symbol, and the nats of all but the first."""
  structure, params = nnx.split(model)
  carry, nats = model.initial_state(1), [np.zeros(0, np.float32)]
  symbols = symbols.astype(np.int32)[None]
  for start in range(0, symbols.shape[1] - 1, _WINDOW):
    window = symbols[:, start : start + _WINDOW + 1]
    carry, nll = _read(structure, params, carry, window, restart)
    nats.append(np.asarray(nll[0]))
  return carry, np.concatenate(nats)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _read(structure, params, carry, symbols, restart):
  inputs = symbols[:, :-1]
  reset = None if restart is None else inputs == restart
  output = nnx.merge(structure, params)(inputs, carry, reset=reset)
  return output.state, output.nll(symbols[:, 1:])


@functools.partial(
  jax.jit, static_argnums=0, static_argnames=("restart", "top_k", "top_p")
)
def _sample_block(
  structure,
  params,
  carry,
  symbol,
  key,
  start,
  temperature,
  banned,
  *,
  restart,
  top_k,
  top_p,
):
  model = nnx.merge(structure, params)

  def step(carry_and_symbol, position):
    carry, symbol = carry_and_symbol
    if restart is not None:
      begins = symbol[0] == restart
      carry = jax.tree.map(
        lambda new, old: jnp.where(begins, new, old),
        model.initial_state(1),
        carry,
      )
    likelihood, carry = model.step((), carry, symbol)
    logits = jnp.where(banned, -jnp.inf, likelihood.logits()[:, 0])
    here = jax.random.fold_in(key, position)
    symbol = choose(logits, temperature, top_k, here, top_p)
    return (carry, symbol), symbol[0]

  positions = start + jnp.arange(_BLOCK)
  (carry, symbol), block = lax.scan(step, (carry, symbol), positions)
  return carry, symbol, block


def choose(
  logits: Float[Array, "*b v"],
  temperature: Float[Array, ""],
  top_k: int,
  key: Key[Array, ""],
  top_p: float = 1.0,
) -> Int[Array, "*b"]:
  """Draws a symbol from softmax(logits / temperature) over the top k, and over
  the fewest that have the probability top_p together (Holtzman et al. 2020,
  "The curious case of neural text degeneration")."""
  if top_k:
    least = lax.top_k(logits, min(top_k, logits.shape[-1]))[0][..., -1:]
    logits = jnp.where(logits < least, -jnp.inf, logits)
  scaled = logits / jnp.maximum(temperature, 1e-6)
  if top_p < 1:
    falling = -jnp.sort(-scaled, axis=-1)
    p = jax.nn.softmax(falling)
    inside = jnp.cumsum(p, -1) - p < top_p  # the likeliest always is
    least = jnp.where(inside, falling, jnp.inf).min(-1, keepdims=True)
    scaled = jnp.where(scaled < least, -jnp.inf, scaled)
  drawn = jax.random.categorical(key, scaled)
  likeliest = jnp.argmax(logits, -1)
  return jnp.where(temperature > 0, drawn, likeliest).astype(jnp.int32)
