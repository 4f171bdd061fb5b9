"""The comparison of searches: its points, and its page from given scores."""

import json

import pytest

from lstm_jax.config.sweeps import sample
from scripts import compare_searches
from scripts.compare_searches import (
  SEARCHES,
  best_so_far,
  make_config,
  make_space,
  read,
  summarise,
)


def test_points_make_configs_of_two_runs_each():
  points = sample(make_space(3))
  assert len(points) == 20 and points != sample(make_space(4))
  config = make_config(points[0])
  assert config.train.trials == 2
  assert (
    config.train.trial_learning_rates
    == (points[0]["optimizer.learning_rate"],) * 2
  )
  assert config.model.hidden_sizes == points[0]["model.hidden_sizes"]
  assert (
    config.model.options.forget_bias == (points[0]["model.options.forget_bias"])
  )


def test_best_so_far():
  assert best_so_far([3.0, 5.0, 1.0, 2.0]) == [3.0, 3.0, 1.0, 1.0]


def test_page(tmp_path):
  scores = {
    ("random", 0): [1.0, 0.1, 0.1],
    ("Optuna", 0): [0.1, 0.01, 1.0],
    ("random", 1): [0.01, 1.0, 1.0],
    ("Optuna", 1): [1.0, 0.1, 0.1],
    ("random", 2): [1.0],  # Optuna's is not there yet
  }
  file = tmp_path / "searches.jsonl"
  assert read(file) == {}
  rows = [
    {"search": kind, "seed": seed, "score": score}
    for (kind, seed), found in scores.items()
    for score in found
  ]
  file.write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert read(file) == scores
  page = summarise(scores).splitlines()
  # log10 of the best so far: 0, -1, -1; -1, -2, -2; -2, -2, -2; 0, -1, -1.
  assert "| 0 | 0.1 | 0.01 | -0.667 | -1.667 |" in page
  assert "| 1 | 0.01 | 0.1 | -2.000 | -0.667 |" in page
  assert "| median | 0.055 | 0.055 | -1.333 | -1.167 |" in page
  assert page[-1] == (
    "Optuna's best is better with 1 of 2 seeds, its area with 1."
  )


@pytest.mark.filterwarnings("ignore")  # Optuna's, of what is experimental
@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_yields_points_and_their_scores(kind, monkeypatch):
  if kind == "Optuna":
    pytest.importorskip("optuna")
  monkeypatch.setattr(
    compare_searches, "score", lambda p: p["optimizer.learning_rate"]
  )
  tried = list(compare_searches.search(kind, 1))
  assert len(tried) == 20
  assert all(p["optimizer.learning_rate"] == s for p, s in tried)
  assert (tried[0][0] == sample(make_space(1))[0]) == (kind == "random")
