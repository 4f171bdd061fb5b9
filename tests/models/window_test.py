"""The feed-forward network on a window against loops over steps in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import assert_close, make_small_config, run_main

from experiments import generate as generate_command
from experiments.train import Plan, train
from lstm_jax.layers.dropout import Dropout, noise_keys
from lstm_jax.models.registry import as_model
from lstm_jax.models.window import WindowModel
from lstm_jax.search.sample import generate

V, T, B = 5, 9, 3
KINDS = {
  "embedded": {"symbols": True, "embedding_size": 3},
  "one_hot": {"symbols": True},
  "numbers": {"symbols": False, "likelihood": "squared_error"},
}


def make(kind="embedded", **options):
  options = KINDS[kind] | {"window": 4, "hidden_sizes": (6, 7)} | options
  return WindowModel(input_size=V, output_size=V, rngs=nnx.Rngs(0), **options)


def draw(kind, time=T):
  random = np.random.default_rng(1)
  if KINDS[kind]["symbols"]:
    return random.integers(0, V, (B, time)).astype(np.int32)
  return random.normal(size=(B, time, V)).astype(np.float32)


def draw_flags(share):
  return np.random.default_rng(2).random((B, T)) < share


def numbers(model):
  """The parameters in float64, by name."""
  params = nnx.to_pure_dict(nnx.state(model, nnx.Param))
  return jax.tree.map(lambda a: np.asarray(a, np.float64), params)


def step_by_step(params, model, inputs, mask=None, reset=None):
  """What the output units say, one row and one step after the other."""
  squash = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
  said = np.zeros((*inputs.shape[:2], V))
  for row in range(len(inputs)):
    seen = []
    for t in range(inputs.shape[1]):
      if reset is not None and reset[row, t]:
        seen = []
      hidden = np.zeros(model.feature_size)
      if mask is None or mask[row, t]:
        x = inputs[row, t]
        if model.embedding is not None:
          x = params["embedding"][x]
        elif model.symbols:
          x = np.eye(V)[x]
        seen.append(np.asarray(x, np.float64))
        before = [np.zeros_like(seen[0])] * model.window
        hidden = np.concatenate((before + seen)[-model.window :])
        for number in range(len(model.hidden)):
          layer = params["hidden"][number]
          z = hidden @ layer["kernel"] + layer["bias"]
          hidden = squash[model.nonlinearity](z)
      out = params["output"]
      said[row, t] = hidden @ out["kernel"] + out["bias"]
  return said


@pytest.mark.parametrize("flags", ["plain", "mask", "reset", "both"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_a_loop_over_steps(kind, flags):
  model, x = make(kind), draw(kind)
  chosen = {}
  if flags in ("mask", "both"):
    chosen["mask"] = draw_flags(0.6)
  if flags in ("reset", "both"):
    chosen["reset"] = draw_flags(0.3)
  expected = step_by_step(numbers(model), model, x, **chosen)
  got = model(x, **chosen).logits()
  np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
  "options",
  [
    {"nonlinearity": "tanh"},
    {"window": 1},
    {"window": 2 * T},
    {"hidden_sizes": ()},
  ],
)
def test_other_shapes_are_the_same_loop(options):
  model, x = make(**options), draw("embedded")
  expected = step_by_step(numbers(model), model, x)
  np.testing.assert_allclose(model(x).logits(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("window", [1, 4, 2 * T])
@pytest.mark.parametrize("kind", KINDS)
def test_two_windows_are_one_sequence(kind, window):
  model, x = make(kind, window=window), draw(kind)
  mask, reset = draw_flags(0.7), draw_flags(0.2)
  whole = model(x, mask=mask, reset=reset)
  state, parts = model.initial_state(B), []
  for start, end in ((0, 2), (2, 2), (2, T)):
    part = model(
      x[:, start:end],
      state,
      mask=mask[:, start:end],
      reset=reset[:, start:end],
    )
    parts.append(np.asarray(part.logits()))
    state = part.state
  assert_close(np.concatenate(parts, 1), whole.logits(), 1e-6)
  assert_close(state, whole.state, 0.0)


def test_a_reset_starts_afresh_and_a_mask_shortens():
  model, x = make(), draw("embedded")
  reset = np.zeros((B, T), bool)
  reset[:, 4] = True
  fresh = model(x[:, 4:])
  after = model(x, reset=reset)
  assert_close(after.logits()[:, 4:], fresh.logits(), 1e-6)
  assert_close(after.state, fresh.state, 0.0)
  mask = np.broadcast_to(np.arange(T) < 5, (B, T))
  noise = np.where(mask, x, (x + 1) % V)
  short, masked = model(x[:, :5]), model(noise, mask=mask)
  assert_close(masked.logits()[:, :5], short.logits(), 1e-6)
  assert_close(masked.state, short.state, 0.0)
  assert (np.asarray(masked.features)[:, 5:] == 0).all()


def test_gradients_are_finite_differences():
  model, x = make(nonlinearity="tanh"), draw("embedded")
  mask, targets = draw_flags(0.7), draw("embedded")[:, ::-1]
  structure, params = nnx.split(model, nnx.Param)
  params = nnx.to_pure_dict(params)

  def loss(params):
    nll = nnx.merge(structure, params)(x, mask=mask).nll(targets)
    return (nll * mask).sum()

  def loss_of_loop(params):
    z = step_by_step(params, model, x, mask)
    nll = (
      np.log(np.exp(z).sum(-1))
      - np.take_along_axis(z, targets[..., None], 2)[..., 0]
    )
    return (nll * mask).sum()

  gradient = jax.grad(loss)(params)
  exact = numbers(model)
  leaves, tree = jax.tree.flatten(exact)
  random = np.random.default_rng(3)
  for leaf, got in zip(leaves, jax.tree.leaves(gradient), strict=True):
    for _ in range(4):
      place = tuple(random.integers(0, n) for n in leaf.shape)
      losses = []
      for change in (1e-5, -2e-5):
        leaf[place] += change
        losses.append(loss_of_loop(jax.tree.unflatten(tree, leaves)))
      leaf[place] += 1e-5
      slope = (losses[0] - losses[1]) / 2e-5
      np.testing.assert_allclose(got[place], slope, rtol=1e-3, atol=1e-5)


def test_dropout_is_of_training_alone():
  x = draw("embedded")
  model = make(rates=Dropout(input=0.5, between=0.5, output=0.5))
  keys = noise_keys(jax.random.key(0), jnp.arange(B))
  assert_close(model(x).logits(), make()(x).logits(), 1e-6)
  dropped = np.asarray(model(x, keys=keys).features)
  assert 0.3 < (dropped == 0).mean() < 1
  assert (dropped != np.asarray(model(x).features)).any()


def test_inputs_that_are_none_of_its_are_refused():
  for kind, x in (("embedded", draw("embedded") + V), ("numbers", np.ones(3))):
    with pytest.raises(ValueError, match="inputs must be"):
      make(kind)(x)
  with pytest.raises(ValueError, match="mask must be"):
    make()(draw("embedded"), mask=np.ones((B, T + 1), bool))


def test_what_is_made_depends_on_the_last_inputs_alone():
  model = make("one_hot", window=3)
  made = [
    np.concatenate([*generate(model, np.array(prompt), 40, forbidden=())])
    for prompt in ([1, 2, 3], [4, 4, 0, 0, 1, 2, 3], [1, 0, 3])
  ]
  assert (made[0] == made[1]).all() and (made[0] != made[2]).any()


def test_training_and_generation_of_a_text(tmp_path, corpus, capsys):
  config = make_small_config(corpus)
  config.model = as_model(config.model, "window")
  config.model.dropout.between = 0.0
  config.model.window = 3
  assert train(Plan(config, str(tmp_path / "run"))) == 0
  capsys.readouterr()
  printed = run_main(
    generate_command,
    capsys,
    f"--workdir={tmp_path}/run",
    "--prompt=red",
    "--search.length=7",
  )
  assert printed.startswith("red") and len(printed) == len("red") + 7 + 1
