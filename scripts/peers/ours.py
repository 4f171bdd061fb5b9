"""lstm_jax: `unroll`, and a language model's update."""

import functools

import jax
import optax
from flax import nnx

from lstm_jax import LSTM, Options, unroll
from lstm_jax.models.language_model import LanguageModel
from lstm_jax.training.data_parallel import choose_devices
from lstm_jax.training.train_state import make_model
from scripts.peers import problem

PACKAGES = ("jax", "jaxlib", "flax", "optax")
TIME_MAJOR = False


def default_setting(shape) -> str:
  """What experiments.train sets up: the tuned allocator, and the batch split
  where that is faster."""
  batch, _, _, hidden, _ = shape
  return "split" if choose_devices(batch, (hidden,), 2) == 2 else "tuned"


def options(time: int, variant: str = "") -> Options:
  """variant: "sqrt" for less memory, "plain" for autodiff through one scan."""
  return {
    "": Options(),
    "sqrt": Options(memory="sqrt"),
    "plain": Options(backward="autodiff", chunk=time),
  }[variant]


def layer(shape, variant: str = ""):
  _, time, inputs, hidden, layers = shape
  cell = LSTM(hidden)

  def init(key):
    sizes = [inputs] + [hidden] * (layers - 1)
    keys = jax.random.split(key, layers)
    return [cell.init(k, size) for k, size in zip(keys, sizes, strict=True)]

  def apply(params, x):
    for p in params:
      x, _ = unroll(cell, p, x, options=options(time, variant))
    return x

  return init, apply


def lm_step(batch: int, time: int, hidden: int, layers: int, vocabulary: int):
  def build(rngs):
    return LanguageModel(
      [LSTM(hidden)] * layers,
      vocabulary_size=vocabulary,
      embedding_size=hidden,
      options=options(time),
      rngs=rngs,
    )

  structure, params = make_model(build, 0)
  optimizer = optax.chain(
    optax.clip_by_global_norm(problem.LM_CLIP), optax.sgd(problem.LM_RATE)
  )
  inputs, targets = jax.device_put(problem.tokens(batch, time, vocabulary))

  @functools.partial(jax.jit, donate_argnums=0)
  def update(state, inputs, targets):
    params, opt_state, carry = state

    def loss(params):
      output = nnx.merge(structure, params)(inputs, carry)
      return output.nll(targets).mean(), output.state

    (nats, carry), gradient = jax.value_and_grad(loss, has_aux=True)(params)
    updates, opt_state = optimizer.update(gradient, opt_state)
    return (optax.apply_updates(params, updates), opt_state, carry), nats

  carry = nnx.merge(structure, params).initial_state(batch)
  carry = jax.tree.map(jax.numpy.copy, carry)  # donated: no buffer twice
  state = (params, optimizer.init(params), carry)

  def run():
    nonlocal state
    state, nats = jax.block_until_ready(update(state, inputs, targets))
    return [nats]

  return run
