"""Every task has a config whose tiny variant trains."""

import jax
import numpy as np
import pytest
from helpers import CONFIGS, slow_but
from scipy.io import savemat

from configs.chomsky import NAMES
from experiments.command_line import load_config_file
from experiments.train import Plan, train
from lstm_jax.config import validate
from lstm_jax.run.build import build
from lstm_jax.tasks.piano_rolls import KEYS
from lstm_jax.tasks.registry import TASKS

FOLDER = CONFIGS[0].parent
TINY = [f"{file.name}:tiny" for file in CONFIGS if file.stem != "chomsky"]
TINY += [f"chomsky.py:{name}-tiny" for name in NAMES]
# a task on its own, of text, of files, with rows as trials, of pieces
QUICK = [
  f"{name}.py:tiny"
  for name in ("adding", "char_lm", "digits", "hochreiter_1997", "piano_rolls")
]


def load(name, tmp_path):
  """A tiny config; piano rolls are made up."""
  config = load_config_file(f"{FOLDER}/{name}")
  if config.task.name == "piano_rolls":
    rolls = np.empty((1, 5), object)
    rng = np.random.default_rng(0)
    for n in range(5):
      rolls[0, n] = rng.integers(0, 2, (4 + n, KEYS))
    config.task.source = str(tmp_path / "rolls.mat")
    splits = {f"{split}data": rolls for split in ("train", "valid", "test")}
    savemat(config.task.source, splits)
  return validate(config)


def test_every_task_has_a_config():
  named = {load_config_file(f"{FOLDER}/{name}").task.name for name in TINY}
  assert named == set(TASKS)


@pytest.mark.parametrize("name", slow_but(TINY, QUICK))
def test_a_call_keeps_the_shapes_of_the_state(name, tmp_path):
  """The program of a call is traced, not compiled: that takes long."""
  config = load(name, tmp_path)
  config.train.trials = 1
  experiment, state = build(config)

  def call(state):
    new, metrics = experiment.train_call(state, experiment.data)
    return jax.tree.leaves(new), metrics.sums.nats

  new, nats = jax.eval_shape(call, state)
  old = jax.tree.leaves(state)
  assert [(a.shape, a.dtype) for a in new] == [(a.shape, a.dtype) for a in old]
  assert nats.shape == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_a_tiny_run(name, tmp_path):
  assert train(Plan(load(name, tmp_path), str(tmp_path / "run"))) == 0
