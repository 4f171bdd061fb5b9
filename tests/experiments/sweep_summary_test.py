"""Summaries, tables and pictures of runs that are side by side."""

import csv
import json

import pytest
from fake_runs import fake_run, fake_sweep
from helpers import run_main

from configs import adding
from experiments import runs as runs_command
from experiments import sweep_results as found_results
from experiments import sweep_summary as summary
from lstm_jax.config.sweeps import grid, name_point
from lstm_jax.errors import ConfigError, RunError


def test_summary_and_csv(tmp_path):
  entries = fake_sweep(tmp_path)
  results = found_results.find_results([tmp_path])
  assert [r.state for r in results] == [
    "finished",
    "finished",
    "stopped",
    "failed",
  ]
  assert [r.best for r in results[:3]] == [1.0, 2.0, 0.5]
  assert results[1].run["best_step"] == 10 and results[1].run["last"] == 4.0
  lines = [
    line.split() for line in summary.summarise_results(results).splitlines()
  ]
  assert " ".join(lines[0]) == "2 finished, 1 stopped, 1 failed"
  assert " ".join(lines[1]) == (
    "squared_error on validation, lower is better: each run's best and its"
    " last; mean ± standard deviation over seeds"
  )
  assert lines[2] == ["setting", "seeds", "best", "last"]
  # 1 and 2: mean 1.5, deviation 1/sqrt(2); in the end 1 and 4. The luckiest
  # seed, 0.5, is alone and so comes after.
  assert lines[3] == "learning_rate=0.1 2 1.5 ± 0.71 2.5 ± 2.1".split()
  assert lines[4] == "learning_rate=0.01 1 0.5 0.5 1 stopped, 1 failed".split()
  assert " ".join(lines[5]) == f"failed: {entries[3].name}: no such thing"
  summary.write_results(tmp_path / "out.csv", results)
  text = (tmp_path / "out.csv").read_text()
  rows = list(csv.DictReader(text.splitlines()))
  assert [row["best"] for row in rows] == ["1.0", "2.0", "0.5", ""]
  assert [row["last"] for row in rows] == ["1.0", "4.0", "0.5", ""]
  assert [row["last_step"] for row in rows] == ["20", "20", "10", ""]
  assert [row["train.seed"] for row in rows] == ["0", "1", "0", "1"]
  assert rows[3]["reason"] == "no such thing"


def result(point, best, metric="loss", state="finished"):
  scores = {"best": best, "last": best, "best_scores": {metric: best}}
  where = {"metric": metric, "task.name": f"of {metric}", "workdir": "x"}
  return found_results.Result("", point, state, "", where | scores)


def test_fields_of_one_name_are_told_apart():
  lines = summary.summarise_results(
    [
      result({"optimizer.patience": 5, "train.seed": 0}, 1.0),
      result({"train.averaging.patience": 5, "train.seed": 0}, 0.5),
      result({"optimizer.patience": 5, "train.seed": 1}, 1.0),
    ]
  ).splitlines()
  words = [line.split()[:3] for line in lines]
  assert words[3] == ["optimizer.patience=5", "2", "1"]
  assert words[4] == ["train.averaging.patience=5", "1", "0.5"]


def test_a_failed_seed_is_no_part_of_a_mean():
  lines = summary.summarise_results(
    [
      result({"a": 1, "train.seed": 0}, 0.1),
      result({"a": 1, "train.seed": 1}, 0.2, state="failed"),
      result({"a": 2, "train.seed": 0}, 0.00042),
      result({"a": 2, "train.seed": 1}, 0.00044),
    ]
  ).splitlines()
  assert lines[3].split() == "a=2 2 0.00043 ± 1.4e-05 0.00043 ± 1.4e-05".split()
  assert lines[4].split() == "a=1 1 0.1 0.1 1 failed".split()


def test_scores_of_different_tasks_have_tables_of_their_own():
  lines = summary.summarise_results(
    [result({"a": 1}, 0.1), result({"a": 2}, 5.0, "bits_per_char")]
  ).splitlines()
  assert lines[1] == (
    "loss of of loss on validation, lower is better: each run's best and its"
    " last"
  )
  assert lines[4].startswith("bits_per_char of")


def test_runs_without_an_index(tmp_path):
  for seed in (4, 5):
    point = {"train.seed": seed, "optimizer.learning_rate": 0.1}
    fake_run(tmp_path / f"run{seed}", point, [(20, float(seed))])
  point = {"train.seed": 7, "optimizer.learning_rate": 0.1}
  fake_run(tmp_path / "many", point, [(20, [8.0, 6.0])], trials=2)
  records = [{"updates": 20, "diverged": k == 1} for k in range(2)]
  (tmp_path / "many" / "trials.json").write_text(json.dumps(records))
  results = found_results.find_results([tmp_path])
  found = {r.point["train.seed"]: r for r in results}
  assert {seed: r.best for seed, r in found.items()} == {
    4: 4.0,
    5: 5.0,
    7: 8.0,
    8: 6.0,
  }
  assert list(found[4].point) == ["train.seed"]  # nothing else differs
  assert found[8].state == "failed" and "not finite" in found[8].reason
  with pytest.raises(RunError, match="no run here"):
    found_results.find_results([tmp_path / "run4" / "tensorboard"])
  # Broken runs are results too, and nothing is counted twice.
  (tmp_path / "many" / "trials.json").write_text("[]")
  (tmp_path / "run5" / "config.json").write_text("{")
  results = found_results.find_results([tmp_path, tmp_path / "run4"])
  assert [(r.name.split("/")[-1], r.state) for r in results] == [
    ("many", "failed"),
    ("run4", "finished"),
    ("run5", "failed"),
  ]


def test_one_value_has_one_spelling(tmp_path):
  points = grid({"model.hidden_sizes": [(16,), (8, 8)], "train.seed": [0]})
  config = adding.get_config("tiny")
  names = [name_point(point, config) for point in points]
  assert names == ["hidden_sizes=16,seed=0", "hidden_sizes=8x8,seed=0"]
  entries = [found_results.Entry(n, n, None, p) for n, p in zip(names, points)]
  found_results.write_index(tmp_path, entries)
  results = found_results.find_results([tmp_path])
  labels = [label for label, _ in summary.group_seeds(results)]
  assert labels == ["hidden_sizes=16", "hidden_sizes=8,8"]


def test_list_of_runs(tmp_path, capsys):
  fake_sweep(tmp_path)
  (tmp_path / "broken").mkdir()
  (tmp_path / "broken" / "config.json").write_text("{")
  printed = run_main(runs_command, capsys, str(tmp_path))
  lines = [line.split() for line in printed.splitlines()]
  head = "run status step best on validation age differs in"
  assert " ".join(lines[0]) == head
  assert lines[1][:3] == ["broken", "unreadable", "-"]
  where = "learning_rate=0.01,seed=0"
  assert lines[2][:3] == [where, "stopped", "10/20"]
  assert lines[2][3:7] == ["squared_error", "0.5", "at", "10"]
  assert lines[2][-2:] == ["learning_rate=0.01", "seed=0"]
  assert lines[3][1:3] == ["finished", "20/20"] and len(lines) == 5
  printed = run_main(runs_command, capsys, str(tmp_path), "--sort=best")
  names = [line.split()[0] for line in printed.splitlines()[1:]]
  assert names == [
    "learning_rate=0.01,seed=0",
    "learning_rate=0.1,seed=0",
    "learning_rate=0.1,seed=1",
    "broken",
  ]
  printed = run_main(runs_command, capsys, str(tmp_path), "--json")
  rows = [json.loads(line) for line in printed.splitlines()]
  assert [row["best"] for row in rows] == [None, 0.5, 1.0, 2.0]
  assert rows[1]["optimizer.learning_rate"] == 0.01
  assert rows[1]["model.hidden_sizes"] == [8] and "valid" not in rows[1]
  with pytest.raises(RunError, match="no run here"):
    runs_command.main(["runs", str(tmp_path / "logs")])
  with pytest.raises(ConfigError, match="give a folder"):
    runs_command.main(["runs"])
