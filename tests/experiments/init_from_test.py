"""Runs that begin with the parameters of another one."""

import shutil

import pytest
from helpers import make_small_config, sha, small_text

from configs import adding
from experiments import train
from lstm_jax.errors import ConfigError
from lstm_jax.run.build import build
from lstm_jax.run.directory import read_record


def test_init_from_takes_the_parameters(finished_run, corpus, tmp_path):
  config = make_small_config(corpus)
  config.train.init_from = str(finished_run)
  _, state = build(config)
  _, fresh = build(make_small_config(corpus))
  from lstm_jax import load_run
  from lstm_jax.run.load import parameter_digest

  assert parameter_digest(state.params) == parameter_digest(
    load_run(finished_run).params
  )
  assert parameter_digest(state.params) != parameter_digest(fresh.params)
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
  assert train.train(train.Plan(config, str(tmp_path / "run"))) == 0
  parent.rename(tmp_path / "gone")
  # Killed before its first checkpoint, it needs the parameters once more.
  killed = tmp_path / "killed"
  shutil.copytree(tmp_path / "run", killed)
  shutil.rmtree(killed / "checkpoints")
  (killed / "checkpoints").mkdir()
  with pytest.raises(ConfigError, match="train.init_from: .* no run here"):
    train.train(train.Plan(config, str(killed)))
  assert train.train(train.Plan(config, str(tmp_path / "run"))) == 0
  assert read_record(tmp_path / "run")["starts"][-1]["from_step"] == 12
  (tmp_path / "gone").rename(parent)
  assert train.train(train.Plan(config, str(killed))) == 0
  assert sha(killed) == sha(tmp_path / "run")


def test_nor_does_one_without_a_vocabulary():
  config = adding.get_config("tiny")
  config.train.init_from = "nowhere"
  with pytest.raises(ConfigError, match="no run here"):
    build(config)
  build(config, resuming=True)
