"""lstm_jax.read_runs: runs below a folder, as dictionaries."""

import json
import math

import pytest
from fake_runs import fake_run

from lstm_jax import read_runs
from lstm_jax.errors import RunError
from lstm_jax.run.runs import find_runs

POINT = {"train.seed": 3, "optimizer.learning_rate": 0.1}


def test_a_run_as_a_dictionary(tmp_path):
  fake_run(tmp_path / "a", POINT, [(10, 0.5), (20, 0.7)])
  (run,) = read_runs(str(tmp_path))
  assert run["workdir"] == str(tmp_path / "a") and run["trial"] is None
  assert run["state"] == "finished" and run["reason"] == ""
  assert run["metric"] == "squared_error" and run["step"] == 20
  assert (run["best"], run["best_step"]) == (0.5, 10)
  assert (run["last"], run["last_step"]) == (0.7, 20)
  assert run["best_scores"] == {"squared_error": 0.5}
  assert run["train.seed"] == 3 and run["optimizer.learning_rate"] == 0.1
  assert run["model.hidden_sizes"] == (8,) and run["optimizer.name"] == "adam"
  assert run["train"] == [{"step": 1, "train/squared_error": 9.0}]
  assert [row["step"] for row in run["valid"]] == [10, 20]
  assert read_runs(tmp_path / "a") == read_runs(tmp_path) or run["age"] >= 0
  # before the first validation
  fake_run(tmp_path / "b", POINT, [], end=False)
  run = read_runs(tmp_path / "b")[0]
  assert run["state"] == "stopped" and math.isnan(run["best"])
  assert run["best_scores"] == {} and run["valid"] == []


def test_trials_are_one_by_one_where_asked(tmp_path):
  curve = [(10, [1.0, 3.0]), (20, [2.0, 2.5])]
  fake_run(tmp_path / "a", POINT, curve, trials=2)
  records = [{"updates": 20 - k, "diverged": k == 1} for k in range(2)]
  (tmp_path / "a/trials.json").write_text(json.dumps(records))
  (mean,) = read_runs(tmp_path)
  assert (mean["best"], mean["best_step"]) == (2.0, 10)
  one, two = read_runs(tmp_path, trials=True)
  assert (one["trial"], one["best"], one["last"]) == (0, 1.0, 2.0)
  assert (two["train.seed"], two["best"], two["step"]) == (4, 2.5, 19)
  assert two["state"] == "failed" and "not finite" in two["reason"]
  assert one["train"] == [] and len(one["valid"]) == 2


def test_a_broken_run_is_one_of_them(tmp_path):
  fake_run(tmp_path / "a", POINT, [(10, 0.5)])
  fake_run(tmp_path / "b", POINT, [(10, 0.5)])
  (tmp_path / "a/config.json").write_text("{")
  fake_run(tmp_path / "c", POINT, [(10, [1.0, 2.0])], trials=2)
  for trials in (False, True):
    states = [r["state"] for r in read_runs(tmp_path, trials=trials)]
    # of its trials there is no record
    last = ["unreadable" if trials else "finished"]
    assert states == ["unreadable", "finished", *last]
  with pytest.raises(RunError, match="no run here"):
    read_runs(tmp_path / "nowhere")


def test_links_are_followed_and_nothing_is_found_twice(tmp_path):
  fake_run(tmp_path / "scratch/deep/one", POINT, [(10, 0.5)])
  runs = tmp_path / "runs"
  fake_run(runs / "two", POINT, [(10, 0.4)])
  (runs / "linked").symlink_to(tmp_path / "scratch/deep/one")
  assert [r["best"] for r in read_runs(runs)] == [0.5, 0.4]
  assert find_runs(runs) == [runs / "linked", runs / "two"]
  # a folder of runs, the folder itself, a dead link, the best of them
  (runs / "linked").unlink()
  (runs / "disk").symlink_to(tmp_path / "scratch")
  (runs / "loop").symlink_to(runs)
  (runs / "dead").symlink_to(tmp_path / "nowhere")
  (runs / "best").symlink_to(runs / "two")
  (tmp_path / "scratch/deep/back").symlink_to(tmp_path)
  assert find_runs(runs) == [runs / "disk/deep/one", runs / "two"]
  # the folder that is given may be a link, and nothing in a run is a run
  (tmp_path / "link").symlink_to(runs)
  fake_run(runs / "two/wandb/three", POINT, [])
  assert len(find_runs(tmp_path / "link")) == 2
