"""The commands, end to end: train, resume, evaluate, generate, plot."""

import copy
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
  CONFIGS,
  make_small_config,
  run_main,
  sha,
  small_text,
  variants,
)

from configs import adding
from experiments import evaluate, plot, report, train
from experiments.command_line import load_config_file
from experiments.report import extended
from experiments.signals import Stopped
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError, DataError, RunError
from lstm_jax.run.build import build
from lstm_jax.run.directory import read_record
from lstm_jax.run.writers import MetricWriter, read_metrics
from lstm_jax.training.optimizers import Schedule
from lstm_jax.training.step import suspects


def test_a_run_directory_has_everything(finished_run):
  names = {path.name for path in finished_run.iterdir()}
  assert names == {
    "assets",
    "checkpoints",
    "config.json",
    "learning_curve.png",
    "lock",
    "metrics.jsonl",
    "run.json",
    "tensorboard",
    "train.log",
  }
  rows = read_metrics(finished_run)
  assert [r["step"] for r in rows if "train/bits_per_char" in r] == [
    2, 4, 6, 8, 10, 12,
  ]  # fmt: skip
  valid = [r for r in rows if "valid/bits_per_char" in r]
  assert [r["step"] for r in valid] == [6, 12]
  assert set(valid[0]) == {
    "step",
    "seconds",
    "epoch",
    "valid/bits_per_char",
    "valid/nats_per_char",
    "valid/perplexity",
  }
  assert set(rows[0]) == {
    "step",
    "seconds",
    "epoch",
    "train/bits_per_char",
    "characters_per_second",
    "gradient_norm",
    "learning_rate",
  }
  assert valid[1]["valid/bits_per_char"] < valid[0]["valid/bits_per_char"]
  assert list((finished_run / "tensorboard").glob("events.*"))
  assert (finished_run / "learning_curve.png").stat().st_size > 5000
  log = (finished_run / "train.log").read_text()
  assert "parameters sha256" in log and "best validation" in log


def test_the_same_seed_gives_the_same_parameters(
  small_config, finished_run, tmp_path
):
  assert train.train(small_config, str(tmp_path / "run")) == 0
  assert sha(tmp_path / "run") == sha(finished_run)


def test_another_seed_gives_others(small_config, finished_run, tmp_path):
  small_config.train.seed = 1
  assert train.train(small_config, str(tmp_path / "run")) == 0
  assert sha(tmp_path / "run") != sha(finished_run)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_resume_is_bit_exact(finished_run, corpus, tmp_path, lost):
  """As if it had been killed: later checkpoints never were, metrics are."""
  path = tmp_path / "run"
  shutil.copytree(finished_run, path)
  steps = sorted(int(p.name) for p in (path / "checkpoints").iterdir())
  assert steps in ([6, 9, 12], [9, 12])
  lost = min(lost, len(steps))
  for step in steps[-lost:]:
    shutil.rmtree(path / "checkpoints" / str(step))
  with (path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 12, "epo')  # cut by the kill
  assert train.train(make_small_config(corpus), str(path)) == 0
  assert sha(path) == sha(finished_run)
  rows = read_metrics(path)
  assert [r["step"] for r in rows if "valid/perplexity" in r] == [6, 12]
  assert len({(r["step"], "epoch" in r, len(r)) for r in rows}) == len(rows)
  kept = ([0, *steps])[: len(steps) + 1 - lost]
  assert read_record(path)["starts"][-1]["from_step"] == kept[-1]


@pytest.mark.parametrize("at", [6, 12])
@pytest.mark.parametrize("kind", ["plain", "plateau", "averages", "trials"])
def test_a_signal_in_a_validation_changes_nothing(
  small_config, tmp_path, monkeypatch, at, kind
):
  """The last one, too, is done when the run goes on."""

  def run(name):
    config = copy.deepcopy(small_config)
    if kind == "plateau":
      config.optimizer.schedule = Schedule.PLATEAU
      config.optimizer.patience = 1
    if kind == "averages":
      config.train.averaging.name = "non_monotone"
    if kind == "trials":
      config.train.trials = 2
    return train.train(config, str(tmp_path / name))

  assert run("whole") == 0
  score_trials = train.score_trials

  def stopped(validate, params, several, watch):
    monkeypatch.setattr(train, "score_trials", score_trials)

    def watch_once(windows, every):
      raise Stopped

    score_trials(validate, params, several, watch_once)

  def scored(*arguments):
    monkeypatch.setattr(train, "score_trials", stopped)
    return score_trials(*arguments)

  monkeypatch.setattr(train, "score_trials", stopped if at == 6 else scored)
  assert run("parts") == 75
  assert run("parts") == 0
  assert sha(tmp_path / "parts") == sha(tmp_path / "whole")
  whole, parts = (
    [
      {k: v for k, v in row.items() if "second" not in k}
      for row in read_metrics(tmp_path / name)
    ]
    for name in ("whole", "parts")
  )
  assert parts == whole
  best = [
    json.loads((path / "manifest.json").read_text())["loss"]
    for name in ("whole", "parts")
    for path in sorted((tmp_path / name / "checkpoints").iterdir())
  ]
  assert best[: len(best) // 2] == best[len(best) // 2 :]
  assert not (tmp_path / "parts" / "unvalidated").exists()


def test_a_run_can_be_extended(finished_run, corpus, tmp_path):
  path = tmp_path / "run"
  shutil.copytree(finished_run, path)
  config = make_small_config(corpus)
  assert train.train(config, str(path), extend_to=15) == 0
  assert read_metrics(path)[-1]["step"] == 15
  with pytest.raises(ConfigError, match="train.steps: 15 -> 12"):
    train.train(make_small_config(corpus), str(path))


def test_an_extension_says_both_learning_rates():
  before, after = adding.get_config("tiny"), adding.get_config("tiny")
  before.train.steps, after.train.steps = 10, 20
  task = after.task.load(4)
  (note,) = extended(before, after, task, 10)
  assert "at step 10 the learning rate was 0 and goes on at 0.0015," in note
  assert extended(after, after, task, 10) == []
  for config in (before, after):
    config.optimizer.schedule = Schedule.CONSTANT
  assert extended(before, after, task, 10) == []


def test_a_picture_that_cannot_be_drawn_ends_no_run(
  corpus, tmp_path, monkeypatch
):
  def fail(path):
    raise TypeError("no\nfonts")

  monkeypatch.setattr(report, "plot_run", fail)
  config = make_small_config(corpus)
  config.train.steps = config.train.validate_every = 2
  assert train.train(config, str(tmp_path)) == 0
  log = (tmp_path / "train.log").read_text()
  assert "no picture of the learning curve: no fonts\n" in log


def test_init_from_takes_the_parameters(finished_run, corpus, tmp_path):
  config = make_small_config(corpus)
  config.train.init_from = str(finished_run)
  _, state = build(config)
  _, fresh = build(make_small_config(corpus))
  from lstm_jax import load_run
  from lstm_jax.run.load import digest

  assert digest(state.params) == digest(load_run(finished_run).params)
  assert digest(state.params) != digest(fresh.params)
  assert int(state.step) == 0
  # Another text is read with the vocabulary of the first.
  other = tmp_path / "other.txt"
  other.write_text(small_text().replace("red", "r\u00e9d"))
  config.task.corpus = str(other)
  experiment, _ = build(config)
  assert "\u00e9" not in experiment.task.vocabulary.characters
  config.model.hidden_sizes = (9,)
  with pytest.raises(ConfigError, match="has another model: .* is .* there"):
    build(config)
  config.train.init_from = str(tmp_path / "nowhere")
  with pytest.raises(ConfigError, match="train.init_from: .* no run here"):
    build(config)


def test_a_resumed_run_needs_its_parent_no_more(finished_run, corpus, tmp_path):
  parent = tmp_path / "parent"
  shutil.copytree(finished_run, parent)
  config = make_small_config(corpus)
  config.train.init_from = str(parent)
  assert train.train(config, str(tmp_path / "run")) == 0
  parent.rename(tmp_path / "gone")
  # Killed before its first checkpoint, it needs the parameters once more.
  killed = tmp_path / "killed"
  shutil.copytree(tmp_path / "run", killed)
  shutil.rmtree(killed / "checkpoints")
  (killed / "checkpoints").mkdir()
  with pytest.raises(ConfigError, match="train.init_from: .* no run here"):
    train.train(config, str(killed))
  assert train.train(config, str(tmp_path / "run")) == 0
  assert read_record(tmp_path / "run")["starts"][-1]["from_step"] == 12
  (tmp_path / "gone").rename(parent)
  assert train.train(config, str(killed)) == 0
  assert sha(killed) == sha(tmp_path / "run")


def test_nor_does_one_without_a_vocabulary():
  config = adding.get_config("tiny")
  config.train.init_from = "nowhere"
  with pytest.raises(ConfigError, match="no run here"):
    build(config)
  build(config, resuming=True)


def test_the_line_of_a_start_comes_first(finished_run, corpus, tmp_path):
  """The time between two starts is no time of training."""
  path = tmp_path / "run"
  shutil.copytree(finished_run, path)
  record = read_record(path)
  record["starts"][0]["python"] = "3.99"
  (path / "run.json").write_text(json.dumps(record))
  before = len((path / "train.log").read_text().splitlines())
  assert train.train(make_small_config(corpus), str(path)) == 0
  lines = (path / "train.log").read_text().splitlines()[before:]
  assert "going on from step 12" in lines[0]
  assert "python was 3.99 at the last start" in lines[1]


def test_an_update_that_is_not_finite_can_be_skipped(small_config):
  """It is as if the learning rate had been 0 for that step."""
  small_config.train.on_non_finite = "skip"
  experiment, state = build(small_config)
  # The loss of a window is finite; its gradient overflows.
  huge = jax.tree.map(lambda p: p * 0 + 3e38, state.params)
  data = experiment.task.source.at(0, 1)
  kept = jax.tree.map(np.asarray, (huge, state.opt_state))
  new, metrics = experiment.train_call(state.replace(params=huge), data)
  assert int(new.step) == 1 and int(metrics.skipped) == 1
  assert suspects(new.params)[int(metrics.culprit)].startswith("the gradient")
  assert float(metrics.sums.weight) == 0
  for a, b in zip(
    jax.tree.leaves((new.params, new.opt_state)), jax.tree.leaves(kept)
  ):
    np.testing.assert_array_equal(a, b)


def test_a_loss_that_is_not_finite_stops_the_run(
  small_config, tmp_path, monkeypatch
):
  def build_poisoned(config, *arguments):
    """A bias of the softmax becomes NaN before the 8th update."""
    experiment, state = build(config, *arguments)
    update = experiment.train_call

    def train_step(state, data):
      poison = jnp.where(state.step == 7, jnp.nan, 0.0)
      params = state.params | {"softmax_b": state.params["softmax_b"] + poison}
      return update(state.replace(params=params), data)

    return experiment._replace(train_call=train_step), state

  monkeypatch.setattr(train.experiment_lib, "build", build_poisoned)
  with pytest.raises(RunError) as error:
    train.train(small_config, str(tmp_path / "run"))
  assert str(error.value).startswith(
    "step 8: the loss is nan: the gradient of embedding is not finite; the"
    " last good checkpoint is 6;"
  )
  saved = {p.name for p in (tmp_path / "run/checkpoints").iterdir()}
  assert saved == {"3", "6"}


@pytest.mark.parametrize(
  "engine, reason",
  [("cudnn", "it needs an NVIDIA GPU"), ("parallel", "LSTM needs the state")],
)
def test_an_engine_that_cannot_serve(small_config, tmp_path, engine, reason):
  small_config.model.engine = engine
  with pytest.raises(ConfigError, match=f"model.engine: .*{reason}"):
    train.train(small_config, str(tmp_path / "run"))
  assert not (tmp_path / "run").exists()


def test_cudnn_has_no_masks_and_no_trials(small_config):
  small_config.model.engine = "cudnn"
  small_config.task.window_spread = 2.0
  with pytest.raises(ConfigError, match="model.engine: .*it has no mask"):
    build(small_config)
  small_config.train.trials = 2
  with pytest.raises(ConfigError, match="model.engine: .*one trial"):
    validate(small_config)


@pytest.mark.parametrize(
  "text, message",
  [
    ("", "the file is empty"),
    ("too short", "fewer than one batch of windows"),
    (None, "no such file"),
    (b"\xff\xfe" * 1000, "not UTF-8"),
  ],
)
def test_a_wrong_corpus_leaves_nothing_behind(tmp_path, text, message):
  corpus = tmp_path / "text.txt"
  if isinstance(text, bytes):
    corpus.write_bytes(text)
  elif text is not None:
    corpus.write_text(text)
  with pytest.raises(DataError, match=message):
    train.train(make_small_config(str(corpus)), str(tmp_path / "run"))
  assert not (tmp_path / "run").exists()


def test_a_text_that_changed_is_refused(finished_run, corpus, tmp_path):
  path, text = tmp_path / "run", tmp_path / "text.txt"
  text.write_text(small_text())
  config = make_small_config(str(text))
  config.train.steps = config.train.validate_every = 2
  assert train.train(config, str(path)) == 0
  text.write_text(small_text().replace("red", "der", 1))
  with pytest.raises(RunError, match="the data changed since the run began"):
    train.train(config, str(path))
  with pytest.raises(RunError, match="another version of its data"):
    evaluate.main(["evaluate", f"--workdir={path}"])


def test_plot(finished_run, capsys, tmp_path):
  copy = tmp_path / "run"
  shutil.copytree(finished_run, copy)
  (copy / "learning_curve.png").unlink()
  printed = run_main(plot, capsys, f"--workdir={copy}")
  assert printed.strip() == str(copy / "learning_curve.png")
  assert (copy / "learning_curve.png").exists()
  (copy / "metrics.jsonl").unlink()
  with pytest.raises(RunError, match="no metrics to plot"):
    plot.main(["plot", f"--workdir={copy}"])


def test_metrics_that_are_not_finite_are_null(tmp_path):
  with MetricWriter(tmp_path, 0, tensorboard=False) as writer:
    writer.write(1, **{"valid/perplexity": float("inf"), "epoch": 0.5})
  (row,) = read_metrics(tmp_path)
  assert 0 <= row.pop("seconds") < 60
  assert row == {"step": 1, "valid/perplexity": None, "epoch": 0.5}


def test_seconds_go_on_where_a_run_does(tmp_path):
  with MetricWriter(tmp_path, 0, tensorboard=False) as writer:
    writer.write(1, loss=1.0)
  path = tmp_path / "metrics.jsonl"
  path.write_text(
    '{"step": 1, "seconds": 900.0}\n{"step": 9, "seconds": 7000}\n'
  )
  with MetricWriter(tmp_path, 1, tensorboard=False) as writer:
    writer.write(2, loss=1.0)
  assert [row["step"] for row in read_metrics(tmp_path)] == [1, 2]
  assert 900 <= read_metrics(tmp_path)[-1]["seconds"] < 1000


@pytest.mark.parametrize(
  "file, variant",
  [
    pytest.param(
      f,
      v,
      marks=[]
      if v == ":tiny" and f.stem in ("char_lm", "awd_lstm")
      else [pytest.mark.slow],
    )
    for f in CONFIGS
    if load_config_file(str(f)).task.family == "text"
    for v in variants(f)
  ],
)
def test_one_step_of_every_text_config(file, variant):
  config = load_config_file(f"{file}{variant}")
  if variant != ":tiny":  # the model is the real one, the batch need not be
    config.task.corpus = "stdlib"
    config.train.batch_size, config.task.window = 2, 8
    config.task.limit = 20_000
  experiment, state = build(config)
  state, metrics = experiment.train_call(state, experiment.task.source.at(0, 1))
  assert int(state.step) == 1 and np.isfinite(metrics.sums.nats)
