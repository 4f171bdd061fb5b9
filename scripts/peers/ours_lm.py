"""lstm_jax: what a language model does, as experiments.train sets it up.

With two devices of a CPU the batch is split over them; of GPUs one is used.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax import LSTM, Options
from lstm_jax.data.inputs import Tokens
from lstm_jax.layers import softmax
from lstm_jax.models.language_model import Head, LanguageModel
from lstm_jax.parallel import runtime
from lstm_jax.parallel.rows import (
  COPIES,
  ROWS,
  Layout,
  make_mesh,
  place,
  split_rows,
)
from lstm_jax.search.sample import generate
from lstm_jax.tasks.base import Batch, Controls, Targets
from lstm_jax.tasks.text_config import WordLMConfig
from lstm_jax.tasks.text_lm import TextLM
from lstm_jax.training import optimizers
from lstm_jax.training.state import init_state, make_model
from lstm_jax.training.step import make_train_step
from scripts.peers import problem

PACKAGES = ("jax", "jaxlib", "flax", "optax")


class _Task(TextLM):
  """The same window at every step; the state goes on."""

  # what a training loop reads, and a step does not
  config = source = spec = steps_per_epoch = headline = token = None
  tokens_per_step = vocabulary = record = None
  scores = WordLMConfig.scores

  def __init__(self):
    pass

  def batch(self, data, step, key):
    inputs, targets = data
    targets = Targets(targets, jnp.ones(inputs.shape))
    return Batch(Tokens(inputs), targets), Controls(restart=False)


def _layout():
  """The devices that a CPU has been made; of GPUs one, as torch has."""
  on_cpu = jax.default_backend() == "cpu"
  return Layout(make_mesh(jax.device_count() if on_cpu else 1))


def _sum(layout, tree):
  return layout.sum(tree) if layout.mesh else tree


def _build(case):
  def build(rngs):
    return LanguageModel(
      [LSTM(hidden) for hidden in case["hidden"]],
      vocabulary_size=case["vocabulary"],
      embedding_size=case["embedding"],
      head=Head(tied=case["tied"]),
      options=Options(engine=case.get("engine", "auto")),
      rngs=rngs,
    )

  return make_model(build, 0)


def _window(case):
  return problem.tokens(case["batch"], case["time"], case["vocabulary"])


def _carry(structure, params, batch):
  return nnx.merge(structure, params).initial_state(batch)


def update(case: dict):
  """Loss, gradient, clipping and SGD: the train step itself."""
  structure, params = _build(case)
  layout = _layout()
  config = optimizers.OptimizerConfig(
    name=optimizers.Optimizer.SGD,
    learning_rate=problem.LM_RATE,
    clip_norm=problem.LM_CLIP,
  )
  schedule = optimizers.make_schedule(config, 1, 1)
  optimizer = optimizers.make_optimizer(config, schedule)
  step = jax.jit(
    make_train_step(structure, _Task(), optimizer, schedule, layout),
    donate_argnums=0,
  )
  carry = _carry(structure, params, case["batch"])
  state = init_state(params, carry, optimizer, None, 0)
  state = layout.place_state(state)
  data = place(jax.device_put(_window(case)), layout.mesh, COPIES)

  def run():
    nonlocal state
    state, metrics = jax.block_until_ready(step(state, data))
    return [metrics.sums.nats]

  return run


def forward(case: dict):
  """The loss of a window, and the state after it."""
  structure, params = _build(case)
  layout = _layout()

  def score(params, carry, inputs, targets):
    output = nnx.merge(structure, params)(inputs, carry)
    return output.state, _sum(layout, output.nll(targets).sum())

  arguments = (COPIES, ROWS, ROWS, ROWS)
  score = jax.jit(split_rows(score, layout.mesh, arguments, (ROWS, COPIES)))
  carry = place(_carry(structure, params, case["batch"]), layout.mesh, ROWS)
  window = place(jax.device_put(_window(case)), layout.mesh, ROWS)
  params = place(params, layout.mesh, COPIES)

  def run():
    nonlocal carry
    carry, nats = jax.block_until_ready(score(params, carry, *window))
    return [nats]

  return run


def top(case: dict):
  """The softmax and its loss alone, with the gradients of all it reads."""
  layout = _layout()
  features, w, b = problem.top(case)
  _, targets = _window(case)

  def loss(arguments, targets):
    features, w, b = arguments
    w = w.T if case["tied"] else w
    return softmax.cross_entropy(features, w, b, targets).sum()

  def gradients(features, w, b, targets):
    nats, (df, dw, db) = jax.value_and_grad(loss)((features, w, b), targets)
    return df, _sum(layout, (nats, dw, db))

  split = (ROWS, COPIES, COPIES, ROWS)
  gradients = jax.jit(split_rows(gradients, layout.mesh, split, (ROWS, COPIES)))
  arguments = [
    place(jax.device_put(a), layout.mesh, spec)
    for a, spec in zip((features, w, b, targets), split, strict=True)
  ]

  def run():
    return jax.block_until_ready(jax.tree.leaves(gradients(*arguments)))

  return run


def sample(case: dict):
  """Symbols drawn one after the other, in one stream."""
  model = nnx.merge(*_build(case))
  prompt = np.zeros(1, np.int32)

  def run():
    blocks = generate(model, prompt, case["length"])
    return [np.concatenate(list(blocks))]

  return run


PARTS = {"update": update, "forward": forward, "softmax": top, "sample": sample}


def make(case: dict):
  runtime.repeat_on_gpu()  # as experiments.train does
  return PARTS[case["part"]](case)
