"""Metrics for Weights & Biases, with a module in the place of wandb."""

import importlib.util
import json
import sys
import types

import pytest
from helpers import make_small_config, run_process

from experiments.train import Plan, train
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run import writers
from lstm_jax.run.writers import MetricWriter


@pytest.fixture
def starts(monkeypatch):
  """What wandb.init was asked for, each with what was logged then."""
  found = []

  def init(**options):
    if options["project"] == "no/such":
      raise fake.Error("no such entity\nand more")
    found.append(types.SimpleNamespace(**options, rows=[], finished=False))
    return types.SimpleNamespace(
      define_metric=lambda name, step_metric: None,
      log=found[-1].rows.append,
      finish=lambda: setattr(found[-1], "finished", True),
    )

  fake = types.ModuleType("wandb")
  fake.init, fake.Settings = init, types.SimpleNamespace
  fake.Error = type("Error", (Exception,), {})
  monkeypatch.setitem(sys.modules, "wandb", fake)
  monkeypatch.delenv("WANDB_MODE", raising=False)
  return found


def write(path, step, **metrics):
  opened = writers.open_wandb(path, "lstm", '{"train": {"seed": 3}}')
  with MetricWriter(path, step, False, opened) as writer:
    writer.write(step, **metrics)


def test_a_later_start_goes_on_with_the_same_run(tmp_path, starts, monkeypatch):
  (tmp_path / "run").mkdir()
  write(tmp_path / "run", 1, loss=0.5, perplexity=float("inf"))
  monkeypatch.setenv("WANDB_MODE", "online")
  write(tmp_path / "run", 2, loss=0.25)
  first, second = starts
  assert first.rows == [{"step": 1, "loss": 0.5}]
  assert second.rows == [{"step": 2, "loss": 0.25}]
  assert (first.mode, second.mode) == ("offline", "online")
  assert first.id == second.id and len(first.id) == 8
  assert first.resume == second.resume == "allow"
  assert first.finished and second.finished
  assert (first.project, first.name) == ("lstm", "run")
  assert first.config == {"train": {"seed": 3}}
  (tmp_path / "other").mkdir()
  write(tmp_path / "other", 1, loss=0.5)
  assert starts[2].id != first.id


def test_what_goes_wrong_is_one_line(tmp_path, starts, monkeypatch):
  with pytest.raises(
    ConfigError, match="run.wandb=no/such: no such entity and more$"
  ):
    writers.open_wandb(tmp_path, "no/such")
  (tmp_path / "file").write_text("")
  with pytest.raises(RunError, match="id.txt: cannot be used: Not a directory"):
    writers.open_wandb(tmp_path / "file", "lstm")


def test_not_asked_for_or_not_installed(tmp_path, monkeypatch, corpus):
  monkeypatch.setitem(sys.modules, "wandb", None)
  assert writers.open_wandb(tmp_path, "") is None
  config = make_small_config(corpus)
  config.run.wandb = "lstm"
  with pytest.raises(ConfigError, match="wandb is not installed; pip install"):
    train(Plan(config, str(tmp_path / "run")))
  assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("wandb"), reason="no wandb")
def test_wandb_itself(tmp_path, monkeypatch):
  monkeypatch.delenv("WANDB_MODE", raising=False)
  words = ["--config=configs/adding.py:tiny", f"--workdir={tmp_path}/run"]
  words += ["--config.run.wandb=lstm", "--config.train.stop.name=never"]
  run_process("experiments.train", *words)
  run_process("experiments.train", *words, "--extend_to=40")
  kept = (tmp_path / "run/wandb/id.txt").read_text()
  files = list((tmp_path / "run/wandb").glob(f"offline-run-*/run-{kept}.wandb"))
  assert len(files) == 2
  for file in files:
    assert b"squared_error" in file.read_bytes()
  assert json.loads((tmp_path / "run/config.json").read_text())["run"]["wandb"]
