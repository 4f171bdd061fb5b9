"""What ends a training run or keeps it from starting, said in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import make_small_config, small_text

from experiments import evaluate, plan, train
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError, DataError, RunError
from lstm_jax.run.build import build
from lstm_jax.training.step import suspects


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

  monkeypatch.setattr(plan.experiment_lib, "build", build_poisoned)
  with pytest.raises(RunError) as error:
    train.train(train.Plan(small_config, str(tmp_path / "run")))
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
    train.train(train.Plan(small_config, str(tmp_path / "run")))
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
    train.train(
      train.Plan(make_small_config(str(corpus)), str(tmp_path / "run"))
    )
  assert not (tmp_path / "run").exists()


def test_a_text_that_changed_is_refused(finished_run, corpus, tmp_path):
  path, text = tmp_path / "run", tmp_path / "text.txt"
  text.write_text(small_text())
  config = make_small_config(str(text))
  config.train.steps = config.train.validate_every = 2
  assert train.train(train.Plan(config, str(path))) == 0
  text.write_text(small_text().replace("red", "der", 1))
  with pytest.raises(RunError, match="the data changed since the run began"):
    train.train(train.Plan(config, str(path)))
  with pytest.raises(RunError, match="another version of its data"):
    evaluate.main(["evaluate", f"--workdir={path}"])
