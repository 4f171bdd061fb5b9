"""Runs that version 0.0 of this library left are read, and go on.

Each was trained for two updates by the code before lstm_jax had wings; that
code then went on to four, with the scores below.
"""

import pathlib
import shutil

import numpy as np
import pytest

from experiments import train
from lstm_jax import load_run
from lstm_jax.run.status import read_status
from lstm_jax.run.writers import read_metrics

OLD = pathlib.Path(__file__).parent / "old_runs"
WORDS = {
  "char_lm": [
    *(
      "--config=configs/char_lm.py:tiny",
      f"--config.task.corpus={OLD}/text.txt",
    ),
    *("--config.model.embedding_size=4", "--config.task.window=8"),
    *("--config.train.validation_streams=2", "--config.run.sample_length=0"),
  ],
  "adding": [
    *("--config=configs/adding.py:tiny", "--config.train.trials=2"),
    "--config.train.steps_per_call=1",
  ],
}
LEARNING_RATES = {"char_lm": 0.004, "adding": 0.003}
BOTH = ["--config.model.hidden_sizes=4", "--config.train.batch_size=2"]
BOTH += ["--config.train.steps=2", "--config.train.validate_every=2"]
BOTH += ["--config.run.tensorboard=false"]
# Of each validation at step 4: a row a trial, then their mean.
SCORES = {
  "char_lm": ("valid/nats_per_char", [3.002688412550019]),
  "adding": (
    "valid/squared_error",
    [0.31138795614242554, 0.666536271572113, 0.4889621138572693],
  ),
}


@pytest.mark.parametrize("name", WORDS)
def test_an_old_run_is_loaded(name):
  run = load_run(OLD / name)
  assert run.config.model.hidden_sizes == (4,)
  assert run.config.optimizer.learning_rate == LEARNING_RATES[name]
  status = read_status(OLD / name)
  assert (status.state, status.step) == ("finished", 2)
  if name == "char_lm":
    text = "the net learns"
    assert run.vocabulary.decode(run.vocabulary.encode(text)) == text
    return
  other = load_run(OLD / name, trial=1)
  w = [r.params["stack"]["layers"][0]["w_h"] for r in (run, other)]
  assert not np.array_equal(*w)


@pytest.mark.parametrize("name", WORDS)
def test_an_old_run_goes_on_as_the_old_code_did(name, tmp_path):
  path = tmp_path / name
  shutil.copytree(OLD / name, path)
  words = [*WORDS[name], *BOTH, f"--workdir={path}", "--extend_to=4"]
  assert not train.main(["train", *words])
  score, wanted = SCORES[name]
  rows = [r for r in read_metrics(path) if r["step"] == 4 and score in r]
  np.testing.assert_allclose([r[score] for r in rows], wanted, rtol=1e-5)
