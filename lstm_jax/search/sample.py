"""Text from a language model, one symbol after the other, and its score."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from lstm_jax.array_types import Array, Float, Int, Key

_BLOCK = 32  # symbols sampled in one dispatch
_WINDOW = 256  # symbols of a prompt read in one dispatch


def generate(
  model: nnx.Module,
  prompt: np.ndarray,
  length: int,
  *,
  temperature: float = 1.0,
  top_k: int = 0,
  seed: int = 0,
  forbidden: tuple[int, ...] = (0,),
) -> Iterator[np.ndarray]:
  """Continues a prompt; yields the symbols in blocks as they are made.

  Args:
    model: a language model.
    prompt: at least one symbol number, [t].
    length: symbols to make.
    temperature: the logits are divided by it; 0 takes the likeliest symbol.
    top_k: sample among the k likeliest symbols only; 0 among all.
    seed: symbol n is drawn from fold_in(key(seed), n): the same seed gives the
      same text whatever the length.
    forbidden: symbols that are never made, such as the unknown one.
  """
  structure, params = nnx.split(model)
  banned = np.zeros(model.vocabulary_size, bool)
  banned[list(forbidden)] = True
  carry, _ = _read_windows(model, prompt)
  symbol = jnp.int32(prompt[-1])
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
      top_k=min(top_k, model.vocabulary_size),
    )
    yield np.asarray(block)[: length - start]


def score(model: nnx.Module, symbols: np.ndarray) -> np.ndarray:
  """Negative log-likelihood of symbols[1:] in nats, [t - 1], each given all
  before it; the first symbol is only read."""
  return _read_windows(model, symbols)[1]


def _read_windows(model, symbols) -> tuple:
  """State before the last symbol, and the nats of all but the first."""
  structure, params = nnx.split(model)
  carry, nats = model.initial_state(1), [np.zeros(0, np.float32)]
  symbols = symbols.astype(np.int32)[None]
  for start in range(0, symbols.shape[1] - 1, _WINDOW):
    window = symbols[:, start : start + _WINDOW + 1]
    carry, nll = _read(structure, params, carry, window)
    nats.append(np.asarray(nll[0]))
  return carry, np.concatenate(nats)


@functools.partial(jax.jit, static_argnums=0)
def _read(structure, params, carry, symbols):
  output = nnx.merge(structure, params)(symbols[:, :-1], carry)
  return output.state, output.nll(symbols[:, 1:])


@functools.partial(jax.jit, static_argnums=0, static_argnames="top_k")
def _sample_block(
  structure, params, carry, symbol, key, start, temperature, banned, *, top_k
):
  model = nnx.merge(structure, params)

  def step(state, position):
    carry, symbol = state
    output = model(symbol[None, None], carry)
    logits = jnp.where(banned, -jnp.inf, output.logits()[0, 0])
    symbol = choose(
      logits, temperature, top_k, jax.random.fold_in(key, position)
    )
    return (output.state, symbol), symbol

  positions = start + jnp.arange(_BLOCK)
  (carry, symbol), block = lax.scan(step, (carry, symbol), positions)
  return carry, symbol, block


def choose(
  logits: Float[Array, "v"],
  temperature: Float[Array, ""],
  top_k: int,
  key: Key[Array, ""],
) -> Int[Array, ""]:
  """Draws a symbol from softmax(logits / temperature) over the top k."""
  if top_k:
    least = lax.top_k(logits, top_k)[0][-1]
    logits = jnp.where(logits < least, -jnp.inf, logits)
  scaled = logits / jnp.maximum(temperature, 1e-6)
  drawn = jax.random.categorical(key, scaled)
  return jnp.where(temperature > 0, drawn, jnp.argmax(logits)).astype(jnp.int32)
