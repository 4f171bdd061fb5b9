"""A score of which more is better: everything that looks at validation."""

import json

import jax.numpy as jnp
import pytest

from experiments.train import Plan, train
from lstm_jax import read_runs
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.config import validate
from lstm_jax.run.build import build
from lstm_jax.run.status import read_status
from lstm_jax.tasks.base import Score
from lstm_jax.tasks.text_config import CharLMConfig
from lstm_jax.training.optimizers import Schedule


@pytest.mark.parametrize("higher", [False, True])
def test_the_best_is_on_the_side_of_the_score(
  small_config, tmp_path, monkeypatch, higher
):
  """Bits fall from step 6 to step 12, which is better or worse."""
  score = Score("bits_per_char", higher)
  monkeypatch.setattr(CharLMConfig, "headline", score)
  config = small_config
  config.optimizer.schedule = Schedule.PLATEAU
  config.optimizer.decay, config.optimizer.patience = 0.5, 1
  assert train(Plan(validate(config), str(tmp_path))) == 0
  rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
  name = "valid/bits_per_char"
  bits = {r["step"]: r[name] for r in map(json.loads, rows) if name in r}
  assert bits[6] > bits[12]
  best = 6 if higher else 12
  status = read_status(tmp_path)
  assert (status.best_step, status.best) == (best, bits[best])
  (run,) = read_runs(tmp_path)
  assert (run["best_step"], run["best"]) == (best, bits[best])
  log = (tmp_path / "train.log").read_text()
  assert f"best validation {bits[best]:.4f} bits/char at step {best}" in log
  _, state = build(config)
  with Checkpointer(tmp_path) as checkpointer:
    assert checkpointer.best_step() == best
    _, step = checkpointer.load_params("best", state.params)
    assert step == best
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    last, _ = checkpointer.restore_latest(state)
  assert int(last.step) == 12
  assert last.plateau.scale == jnp.float32(0.5 if higher else 1)


def test_what_is_to_be_low_and_back():
  more, less = Score("accuracy", higher=True), Score("loss")
  assert more.cost(0.75) == -0.75 and less.cost(0.75) == 0.75
  assert more.value(more.cost(0.75)) == less.value(less.cost(0.75)) == 0.75
