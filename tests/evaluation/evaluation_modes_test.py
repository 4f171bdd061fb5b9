"""Evaluation that adapts to the text, or averages over dropout."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from flax import nnx
from helpers import make_small_config, run_main

from experiments import evaluate, evaluation_modes
from experiments.command_line import new_flags
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.evaluation import cache, dynamic, mc_dropout
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.layers.dropout import Dropout, noise_keys
from lstm_jax.run.build import build
from lstm_jax.run.load import Run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
  """A task, a model's structure and its parameters, large enough to tell."""
  path = tmp_path_factory.mktemp("text") / "text.txt"
  rng = np.random.default_rng(0)
  path.write_text("".join(rng.choice(list("abcdef"), 1200)))
  config = make_small_config(str(path))
  config.model.dropout.output = 0.5
  experiment, state = build(config)
  params = jax.tree.map(lambda p: 3 * p, state.params)
  return experiment.task, experiment.structure, params


def last(steps):
  *_, (done, every, result) = steps
  assert done == every
  return result


def stream(task, split="valid"):
  """Inputs and targets of the whole split."""
  symbols = np.asarray(task._tokens[split], np.int32)
  return symbols[:-1], symbols[1:]


def test_dynamic_that_learns_nothing_is_static(made):
  task, structure, params = made
  static = make_evaluation(structure, task, "valid", 1)(params)
  read = dynamic.make_dynamic(structure, task, "valid")
  sums = last(read(params, 0.0, 0.5))
  assert sums.weight == static.weight == 59
  assert sums.nats == pytest.approx(static.nats, rel=1e-5)


def test_dynamic_is_the_papers_update(made):
  """Segments of 25 of 59 tokens by hand, for every form."""
  task, structure, params = made
  inputs, targets = stream(task)
  segment, rate, decay, epsilon = 25, 0.3, 0.1, 0.01
  rms = dynamic.gradient_rms(structure, task, params, 2)

  def loss(params, state, start, stop):
    model = nnx.merge(structure, params)
    output = model(inputs[None, start:stop], state)
    return output.nll(targets[None, start:stop]).mean(), output.state

  leaves = [np.asarray(r, np.float64) for r in jax.tree.leaves(rms)]
  means = {
    "sgd": None,
    "rms": sum(r.sum() for r in leaves) / sum(r.size for r in leaves),
    "krause": np.mean([r.mean() for r in leaves]),
  }
  assert means["krause"] > 1.2 * means["rms"]
  for form, mean in means.items():
    now, nats = params, 0.0
    state = nnx.merge(structure, params).initial_state(1)
    for start in range(0, 59, segment):
      stop = min(start + segment, 59)
      (nll, state), g = jax.value_and_grad(loss, has_aux=True)(
        now, state, start, stop
      )
      nats += float(nll) * (stop - start)

      def update(p, first, g, r):
        back, slope = decay, np.asarray(g, np.float64)
        if mean:
          back = np.minimum(decay * r / mean, 1)
          slope = slope / (r + epsilon)
        return jnp.float32(p + back * (first - p) - rate * slope)

      now = jax.tree.map(update, now, params, g, rms)
    read = dynamic.make_dynamic(
      structure,
      task,
      "valid",
      segment=segment,
      epsilon=epsilon,
      mean_of_means=form == "krause",
    )
    sums = last(read(params, rate, decay, rms if mean else None))
    assert sums.nats == pytest.approx(nats, rel=1e-4)


def test_the_start_of_a_split_is_read_in_whole_pieces(made):
  task, structure, params = made
  read = dynamic.make_dynamic(structure, task, "valid", 20, segment=7)
  part = last(read(params, 0.0, 0.0))
  assert part.weight == 21
  *_, (_, _, cached) = cache.make_cache(
    *(structure, task, "valid", 1, 10, (0.5,), (0.0,), 17)
  )(params)
  assert cached[0][0].weight == 24  # windows of 8
  inputs, targets = stream(task)
  nll = nnx.merge(structure, params)(inputs[None]).nll(targets[None])[0]
  assert part.nats == pytest.approx(float(nll[:21].sum()), rel=1e-5)
  assert cached[0][0].nats == pytest.approx(float(nll[:24].sum()), rel=1e-5)


def test_gradient_rms(made):
  """Of the streams' mean gradient, times the root of their number."""
  task, structure, params = made
  squares = []
  state = nnx.merge(structure, params).initial_state(4)
  for step in range(2):
    window = slice(8 * step, 8 * step + 8)

    def loss(params, state):
      model = nnx.merge(structure, params)
      output = model(jnp.int32(task.source.at(0, 1).inputs[:, window]), state)
      targets = jnp.int32(task.source.at(0, 1).targets[:, window])
      return output.nll(targets).mean(), output.state

    g, state = jax.grad(loss, has_aux=True)(params, state)
    squares.append(jax.tree.map(lambda g: 4 * np.float64(g) ** 2, g))
  expected = jax.tree.map(lambda a, b: np.sqrt((a + b) / 2), *squares)
  found = dynamic.gradient_rms(structure, task, params, 2)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("size", [4, 1000])
def test_cache_is_the_papers_sum(made, size):
  """Token after token in a loop; windows are of 8."""
  task, structure, params = made
  inputs, targets = stream(task)
  output = nnx.merge(structure, params)(inputs[None])
  h = np.asarray(output.features[0], np.float64)
  p_model = np.exp(-np.asarray(output.nll(targets[None])[0], np.float64))
  thetas, shares = (0.5, 2.0), (0.0, 0.3)
  expected = np.zeros((2, 2))
  for n, theta in enumerate(thetas):
    for m, share in enumerate(shares):
      for t in range(len(inputs)):
        past = range(max(0, t - size), t)
        weights = [np.exp(theta * h[t] @ h[i]) for i in past]
        right = [w for w, i in zip(weights, past) if targets[i] == targets[t]]
        p = p_model[t]
        if t:
          p = (1 - share) * p + share * sum(right) / sum(weights)
        expected[n, m] -= np.log(p)
  read = cache.make_cache(structure, task, "valid", 1, size, thetas, shares)
  grid = last(read(params))
  found = [[sums.nats for sums in row] for row in grid]
  np.testing.assert_allclose(found, expected, rtol=1e-4)
  assert grid[0][0].weight == 59


def test_what_is_too_unlikely_for_float32(made):
  """Positions and padding of more than 88 nats."""
  task, structure, params = made
  params = params | {"softmax_w": 1e4 * params["softmax_w"]}
  inputs, targets = stream(task)
  nll = nnx.merge(structure, params)(inputs[None]).nll(targets[None])
  assert nll.max() > 1000
  shares = (0.0, 0.1)
  read = cache.make_cache(structure, task, "valid", 1, 10, (0.5,), shares)
  without, with_it = (sums.nats for sums in last(read(params))[0])
  assert without == pytest.approx(float(nll.sum()), rel=1e-5)
  assert 0 < with_it < without


def test_streams_have_a_cache_each(made):
  task, structure, params = made
  options = (1000, (0.5,), (0.3,))
  read = cache.make_cache(structure, task, "valid", 2, *options)
  both = last(read(params))[0][0]
  assert both.weight == 59
  one = last(cache.make_cache(structure, task, "valid", 1, *options)(params))
  assert both.nats != pytest.approx(one[0][0].nats, rel=1e-6)


def test_mc_dropout_is_the_mean_of_the_probabilities(made):
  task, structure, params = made
  inputs, targets = stream(task)
  key, p = jax.random.key(5), 0.0
  for sample in range(3):
    state = nnx.merge(structure, params).initial_state(1)
    rows = []
    for index in range(8):
      window = slice(8 * index, 8 * index + 8)
      here = jax.random.fold_in(jax.random.fold_in(key, sample), index)
      keys = noise_keys(here, jnp.arange(1))
      padded = np.pad(inputs, (0, 5))[None, window]
      output = nnx.merge(structure, params)(padded, state, keys=keys)
      state = output.state
      rows.append(output.nll(np.pad(targets, (0, 5))[None, window])[0])
    p = p + np.exp(-np.concatenate(rows)[:59].astype(np.float64)) / 3
  read = mc_dropout.make_mc_dropout(structure, task, "valid", 1, 3)
  sums = last(read(params, 5))
  assert sums.nats == pytest.approx(-np.log(p).sum(), rel=1e-5)
  assert sums.weight == 59


def test_a_search_is_kept_and_used(finished_run, tmp_path, capsys):
  path = tmp_path / "run"
  shutil.copytree(finished_run, path)
  words = [f"--workdir={path}", "--mode=cache"]
  printed = run_main(evaluate, capsys, *words, "--tune").splitlines()
  assert len(printed) == 7 * 6 + 1
  best = min(float(line.split()[-1]) for line in printed[:-1])
  found = json.loads((path / "evaluation.json").read_text())["cache"]
  some = [*words, "--tune", "--tune_tokens=20"]
  assert run_main(evaluate, capsys, *some).splitlines() != printed
  run_main(evaluate, capsys, *words, "--tune")
  assert printed[-1].startswith(
    f"best: theta {found['theta']}, share {found['share']}, bits_per_char"
  )
  record = json.loads(run_main(evaluate, capsys, *words, "--json"))
  assert record["theta"] == found["theta"]
  assert record["bits_per_char"] == pytest.approx(best, abs=1e-3)
  words.append("--share=0")
  record = json.loads(run_main(evaluate, capsys, *words, "--json"))
  static = run_main(evaluate, capsys, f"--workdir={path}", "--json")
  static = json.loads(static)["bits_per_char"]
  assert record["bits_per_char"] == pytest.approx(static, abs=1e-5)
  for wrong in (
    [],
    {"cache": 1},
    {"dynamic": {"form": "rms", "rate": "x"}},
    {"dynamic": {"form": "adam"}},
    {"dynamic": {"segment": 0}},
    {"cache": {"form": "rms"}},
  ):
    (path / "evaluation.json").write_text(json.dumps(wrong))
    for word in ([], ["--tune"]):  # and not after it
      with pytest.raises(RunError, match="remove it to use the defaults"):
        run_main(evaluate, capsys, *words[:2], *word)


def test_a_form_has_a_rate_of_its_own(tmp_path):
  def chosen(*words):
    values = new_flags()
    flags.DEFINE_string("workdir", str(tmp_path), "", flag_values=values)
    evaluation_modes.define_mode_flags(values)
    values(["x", "--mode=dynamic", *words])
    found = evaluation_modes.mode_config(values)
    return found.form, found.rate, found.segment

  assert chosen("--form=krause", "--epsilon=1") == ("krause", 0.001, 5)
  sgd = ("sgd", 0.1, 5)
  assert chosen("--form=sgd") == chosen("--form=sgd", "--tune") == sgd
  found = {"form": "rms", "rate": 0.007, "segment": 9}
  (tmp_path / "evaluation.json").write_text(json.dumps({"dynamic": found}))
  assert chosen() == chosen("--form=rms") == ("rms", 0.007, 9)
  assert chosen("--form=sgd") == sgd
  found["form"] = "sgd"
  (tmp_path / "evaluation.json").write_text(json.dumps({"dynamic": found}))
  assert chosen() == chosen("--form=sgd") == ("sgd", 0.007, 9)
  assert chosen("--rate=1") == ("sgd", 1.0, 9)
  with pytest.raises(
    ConfigError, match="--epsilon is for another --form, not sgd"
  ):
    chosen("--epsilon=1")
  assert chosen("--tune")[0] == "rms"


def test_dropout_of_the_mixture_is_dropout(made):
  task, structure, params = made
  config = make_small_config("x")
  config.model.dropout = Dropout(locked=True)
  run = Run(nnx.merge(structure, params), params, config, {})

  def evaluate_once():
    few = mc_dropout.MCDropoutConfig(samples=1)
    return mc_dropout.evaluate_mc_dropout(
      *(run, task, "valid", 1, few), lambda *done: None
    )

  with pytest.raises(ConfigError, match="the model has no dropout"):
    evaluate_once()
  config.model.latent_dropout = 0.1
  assert evaluate_once().weight == 59


@pytest.mark.parametrize(
  "words",
  [
    [],
    ["--mode=dynamic", "--form=sgd", "--rate=1e-12", "--segment=8"],
    ["--mode=dynamic", "--rate=1e-12", "--segment=8", "--rms_windows=2"],
    ["--mode=dynamic", "--form=krause", "--rate=1e-12", "--rms_windows=2"],
    ["--mode=cache", "--share=0"],
    ["--mode=mc_dropout", "--samples=2"],
  ],
)
def test_what_every_mode_prints(words, finished_run, capsys):
  """The same scores, of a model that learns nothing but under dropout."""
  words = [f"--workdir={finished_run}", *words]
  lines = run_main(evaluate, capsys, *words).splitlines()
  values = dict(line.split(": ") for line in lines[1:])
  assert values["characters"] == "299"
  nats = float(values["nats per char"])
  assert float(values["bits per char"]) == pytest.approx(
    nats / np.log(2), abs=2e-4
  )
  assert float(values["perplexity"]) == pytest.approx(np.exp(nats), rel=1e-3)
  exact = evaluate.evaluate_trials(str(finished_run), "valid")[0]
  off = 0.1 if "--samples=2" in words else 1e-4
  assert nats == pytest.approx(exact["nats_per_char"], abs=off)


@pytest.mark.parametrize(
  "words, message",
  [
    (["--theta=1"], "--theta is for --mode=cache, not static"),
    (["--mode=cache", "--rate=1"], "--rate is for --mode=dynamic, not cache"),
    (["--tune"], "--mode=static has nothing to search"),
    (["--mode=cache", "--tune", "--split=test"], "validation split alone"),
    (["--mode=cache", "--tune", "--theta=1"], "--tune takes no --theta"),
    (["--mode=cache", "--tune", "--share=0"], "--tune takes no --share"),
    (["--mode=dynamic", "--tune", "--rate=1"], "--tune takes no --rate"),
    (["--mode=dynamic", "--tune", "--decay=1"], "--tune takes no --decay"),
    (["--mode=cache", "--tune", "--json"], "--tune takes no --json"),
    (["--tune_tokens=9"], "--tune_tokens is for --tune"),
    (["--mode=dynamic", "--streams=2"], "reads one stream"),
    (["--mode=cache", "--streams=1,2"], "takes one number of --streams"),
    (["--mode=cache", "--trial=all"], "evaluates one trial"),
    (["--mode=cache", "--score=x"], "--score takes no --mode"),
    (["--mode=dynamic", "--decay=nan"], "--decay: must be finite, got nan"),
  ],
)
def test_what_modes_refuse(words, message, finished_run, capsys):
  with pytest.raises(ConfigError, match=message):
    run_main(evaluate, capsys, f"--workdir={finished_run}", *words)
