"""Points of sweeps, their names, and what became of them."""

import csv
import json
import math
import pathlib
import runpy

import numpy as np
import pytest
from conftest import run_main

from configs import adding
from experiments import runs as runs_command
from experiments import sweep as sweep_command
from experiments import sweep_summary as summary
from experiments.launchers import local
from experiments.launchers.child import Job, Place, failure
from experiments.sweep_plots import plot_results, seed_band
from lstm_jax.config import fields, to_json
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run_status import read_status
from lstm_jax.sweeps import (
  Choice,
  Integers,
  SearchSpace,
  Uniform,
  chain,
  grid,
  name_point,
  sample,
  words,
  zip_,
)

SWEEPS = sorted(pathlib.Path("configs/sweeps").glob("[a-z]*.py"))
SPACE = SearchSpace(
  {
    "optimizer.learning_rate": Uniform(1e-4, 1e-1, log=True),
    "optimizer.momentum": Uniform(0.5, 0.9),
    "train.batch_size": Integers(2, 4),
    "train.seed": Integers(1, 8, log=True),
    "model.cell": Choice(("lstm", "gru")),
  },
  trials=7,
)


def test_algebra():
  points = grid({"a": [1, 2], "b": "xy"}, zip_({"c": [3, 4], "d": [5, 6]}))
  assert len(points) == 8 and len({str(p) for p in points}) == 8
  assert points[0] == {"a": 1, "b": "x", "c": 3, "d": 5}
  assert points[1] == {"a": 1, "b": "x", "c": 4, "d": 6}
  assert points[-1] == {"a": 2, "b": "y", "c": 4, "d": 6}
  assert chain([{"a": 1}], grid({"a": [2, 1]})) == [{"a": 1}, {"a": 2}]
  with pytest.raises(ConfigError, match="2 of a, 1 of b"):
    zip_({"a": [1, 2], "b": [1]})
  with pytest.raises(ConfigError, match="two axes set a"):
    grid({"a": [1]}, [{"a": 2}])


def test_sample():
  points = sample(SPACE)
  assert len(points) == 7 and points == sample(SPACE)
  assert points != sample(SPACE, 7, seed=1)
  many = sample(SPACE, 4000)
  rates = np.array([p["optimizer.learning_rate"] for p in many])
  assert 1e-4 <= rates.min() and rates.max() <= 1e-1
  # The logarithm is uniform: a third of it in each decade.
  assert np.mean(rates < 1e-3) == pytest.approx(1 / 3, abs=0.03)
  sizes = [p["train.batch_size"] for p in many]
  assert [sizes.count(n) / 4000 for n in (2, 3, 4)] == pytest.approx(
    [1 / 3] * 3, abs=0.03
  )
  seeds = [p["train.seed"] for p in many]
  assert set(seeds) == set(range(1, 9))
  assert seeds.count(1) / 4000 == pytest.approx(
    math.log(2) / math.log(9), abs=0.03
  )
  few = SearchSpace({"train.seed": Integers(0, 3)}, trials=9)
  assert sorted(p["train.seed"] for p in sample(few)) == [0, 1, 2, 3]
  with pytest.raises(ConfigError, match="low must be above 0 and below high"):
    Uniform(0.0, 1.0, log=True)


def test_names():
  config = adding.get_config("tiny")
  point = {"optimizer.learning_rate": 1e-5, "model.hidden_sizes": (8, 4)}
  assert name_point(point, config) == "learning_rate=1e-05,hidden_sizes=8x4"
  # Three fields are called "name".
  point = {"train.stop.name": "never", "train.seed": 1}
  assert name_point(point, config) == "stop.name=never,seed=1"
  odd = [
    name_point({"task.name": text}, config)
    for text in ("a/b", "a_b", "../" + 300 * "x")
  ]
  assert len(set(odd)) == 3 and all("/" not in name for name in odd)
  assert max(map(len, odd)) <= 120


@pytest.mark.parametrize("file", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_makes_sense(file):
  found = sweep_command.load_sweep(str(file))
  points = sample(found) if isinstance(found, SearchSpace) else found
  base = ["--config=configs/adding.py"]
  for point in points:
    known = fields(sweep_command.point_config(base, point))
    assert {name: known[name] for name in point} == point
  config = adding.get_config()
  assert len({name_point(p, config) for p in points}) == len(points)


def fake_run(path, point, curve, end=True, trials=1):
  """A run directory as training would leave it."""
  path.mkdir(parents=True)
  config = adding.get_config("tiny")
  config.train.seed = point["train.seed"]
  config.optimizer.learning_rate = point["optimizer.learning_rate"]
  config.train.trials = trials
  (path / "config.json").write_text(to_json(config))
  start = {"end": {"step": 20}} if end else {"from_step": 0}
  record = {"data": {"corpus": "x"}, "starts": [start]}
  (path / "run.json").write_text(json.dumps(record))
  rows = [{"step": 1, "train/squared_error": 9.0}]
  for step, values in curve:
    values = values if isinstance(values, list) else [values]
    for number, value in enumerate(values if trials > 1 else []):
      row = {"step": step, "trial": number, "valid/squared_error": value}
      rows.append(row)
    rows.append({"step": step, "valid/squared_error": float(np.mean(values))})
  lines = "".join(json.dumps(row) + "\n" for row in rows)
  (path / "metrics.jsonl").write_text(lines)


def fake_sweep(folder):
  points = grid(
    {"optimizer.learning_rate": [0.1, 0.01], "train.seed": range(2)}
  )
  config = adding.get_config("tiny")
  entries = [
    summary.Entry(name, name, None, point)
    for point in points
    for name in [name_point(point, config)]
  ]
  summary.write_index(folder, entries)
  fake_run(folder / entries[0].name, points[0], [(10, 3.0), (20, 1.0)])
  fake_run(folder / entries[1].name, points[1], [(10, 2.0), (20, 4.0)])
  fake_run(folder / entries[2].name, points[2], [(10, 0.5)], end=False)
  (folder / "logs").mkdir()
  log = folder / "logs" / f"{entries[3].name}.txt"
  log.write_text("reading\nerror: no such thing\nexit code 2 after 1.0 s\n")
  return entries


def test_summary_and_csv(tmp_path):
  entries = fake_sweep(tmp_path)
  results = summary.find_results([tmp_path])
  assert [r.state for r in results] == [
    "finished",
    "finished",
    "stopped",
    "failed",
  ]
  assert [r.best for r in results[:3]] == [1.0, 2.0, 0.5]
  assert results[1].best_step == 10
  lines = summary.summarise(results).splitlines()
  assert lines[0] == "2 finished, 1 stopped, 1 failed"
  assert f"0.5 at step 10: {entries[2].name}" in lines[1]
  # 1 and 2: mean 1.5, deviation 1/sqrt(2)
  assert "  learning_rate=0.1: 1.5 ± 0.71 (2 seeds)" in lines
  assert lines[-1] == f"failed: {entries[3].name}: no such thing"
  summary.write_csv(tmp_path / "out.csv", results)
  text = (tmp_path / "out.csv").read_text()
  rows = list(csv.DictReader(text.splitlines()))
  assert [row["best"] for row in rows] == ["1.0", "2.0", "0.5", ""]
  assert [row["train.seed"] for row in rows] == ["0", "1", "0", "1"]
  assert rows[3]["reason"] == "no such thing"


def test_fields_of_one_name_are_told_apart():
  def result(point, best):
    blank = summary.Result("", point, "finished", "", 1, "loss", best, 1, [])
    return blank

  lines = summary.summarise(
    [
      result({"optimizer.patience": 5, "train.seed": 0}, 1.0),
      result({"train.averaging.patience": 5, "train.seed": 0}, 3.0),
      result({"optimizer.patience": 5, "train.seed": 1}, 1.0),
    ]
  ).splitlines()
  assert "  optimizer.patience=5: 1 ± 0 (2 seeds)" in lines
  assert "  train.averaging.patience=5: 3 (1 seeds)" in lines


def test_runs_without_an_index(tmp_path):
  for seed in (4, 5):
    point = {"train.seed": seed, "optimizer.learning_rate": 0.1}
    fake_run(tmp_path / f"run{seed}", point, [(20, float(seed))])
  point = {"train.seed": 7, "optimizer.learning_rate": 0.1}
  fake_run(tmp_path / "many", point, [(20, [8.0, 6.0])], trials=2)
  records = [{"updates": 20, "diverged": k == 1} for k in range(2)]
  (tmp_path / "many" / "trials.json").write_text(json.dumps(records))
  results = summary.find_results([tmp_path])
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
    summary.find_results([tmp_path / "run4" / "tensorboard"])


def test_seed_band():
  curves = [[(10, 1.0), (20, 3.0)], [(10, 3.0)]]
  steps, means, deviations = seed_band(curves)
  assert steps.tolist() == [10, 20]
  assert means.tolist() == [2.0, 3.0]
  np.testing.assert_allclose(deviations, [math.sqrt(2), 0])


def test_plots(tmp_path):
  fake_sweep(tmp_path)
  paths = plot_results(summary.find_results([tmp_path]), tmp_path)
  assert [p.name for p in paths] == [
    "hyper_parameters.png",
    "learning_curves.png",
  ]
  assert all(p.read_bytes()[:4] == b"\x89PNG" for p in paths)
  assert plot_results([], tmp_path) == []


def test_shards():
  jobs = [Job(pathlib.Path("x"), str(k), ()) for k in range(10)]
  parts = [sweep_command.take_shard(jobs, f"{k}/3") for k in (1, 2, 3)]
  assert [len(part) for part in parts] == [4, 3, 3]
  assert sorted(j.name for part in parts for j in part) == [
    j.name for j in jobs
  ]
  for wrong in ("0/3", "4/3", "3", "a/b", "-1/3", "1/0"):
    with pytest.raises(ConfigError, match="must be K/N"):
      sweep_command.take_shard(jobs, wrong)


def test_places(monkeypatch):
  monkeypatch.setattr("os.sched_getaffinity", lambda _: {4, 5, 6, 7})
  config = adding.get_config("tiny")
  config.run.platform = "cpu"
  choose = local.choose_places
  assert [set(p.cores) for p in choose(config, 0)] == [{4}, {5}, {6}, {7}]
  assert [set(p.cores) for p in choose(config, 2)] == [{4, 5}, {6, 7}]
  assert [set(p.cores) for p in choose(config, 5)] == [
    {4},
    {5},
    {6},
    {7},
    {4},
  ]
  assert len(set(choose(config, 9))) == 9


def test_an_accelerator_each(monkeypatch):
  chips = [(("CUDA_VISIBLE_DEVICES", k),) for k in "03"]
  monkeypatch.setattr(local, "accelerators", lambda: chips)
  config = adding.get_config("tiny")
  places = local.choose_places(config, 0)
  assert places == [Place(0, None, chips[0]), Place(1, None, chips[1])]
  # The third would find no memory on the first one's.
  shared = ("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
  places = local.choose_places(config, 3)
  assert places[2].environment == (*chips[0], shared)
  assert shared in places[0].environment


@pytest.mark.parametrize(
  "text, reason",
  [
    ("", ""),
    ("no end\n", ""),
    ("x\nexit code 0 after 1 s\n", ""),
    ("x\nexit code 75 after 1 s\n", ""),
    ("x\nexit code -9 after 1 s\n", "killed by SIGKILL"),
    ("a\nerror: b: c\n\nexit code 2 after 1 s\n", "b: c"),
    ("exit code 3 after 1 s\n", "exit code 3"),
  ],
)
def test_why_a_process_failed(tmp_path, text, reason):
  job = Job(tmp_path, "a", ())
  assert failure(job) == ""
  job.log.parent.mkdir()
  job.log.write_text(text)
  assert failure(job) == reason


def test_status_of_a_finished_run(finished_run):
  status = read_status(finished_run)
  assert (status.state, status.step, status.steps) == ("finished", 12, 12)
  assert status.metric == "bits_per_char"
  assert status.best_step in (6, 12) and 0 < status.best < 8
  assert 0 <= status.age < 1000


@pytest.mark.parametrize(
  "text, message",
  [
    ("def get_sweep():\n  return 1 / 0\n", r"ZeroDivisionError: .*line 2"),
    ("def get_sweep():\n  return 3\n", "must return a list of overrides"),
    ("def get_sweep():\n  return []\n", "no points"),
    ("x = 3\n", "KeyError: 'get_sweep'"),
  ],
)
def test_a_wrong_sweep_file(tmp_path, text, message):
  path = tmp_path / "sweep.py"
  path.write_text(text)
  with pytest.raises(ConfigError, match=message):
    sweep_command.load_sweep(str(path))
  with pytest.raises(ConfigError, match="no such file"):
    sweep_command.load_sweep(str(tmp_path / "other.py"))


def test_points_that_make_no_sense(tmp_path):
  base, config = ["--config=configs/adding.py:tiny"], adding.get_config("tiny")
  for points, message in (
    ([{"train.sed": 1}], 'point train.sed=1: .*did you mean "train.seed"'),
    ([{"train.seed": 1}, {"train.seed": 1}], "more than once"),
    ([{"train.steps": -1}], "point train.steps=-1: train.steps: must be"),
  ):
    with pytest.raises(ConfigError, match=message):
      sweep_command.plan(tmp_path, base, config, points)


def test_base_words():
  file = "configs/adding.py:tiny"
  config = adding.get_config("tiny")
  config.run.tensorboard = True
  config.model.hidden_sizes = (3, 4)
  found = sweep_command.base_words(file, config)
  assert found == [
    f"--config={file}",
    "--config.model.hidden_sizes=3,4",
    "--config.run.tensorboard=true",
  ]
  assert words({"a.b": True, "c": (1,)}) == [
    "--config.a.b=true",
    "--config.c=1",
  ]
  assert runpy.run_path("configs/sweeps/adding_rates.py")["get_sweep"]()


def test_list_of_runs(tmp_path, capsys):
  fake_sweep(tmp_path)
  (tmp_path / "broken").mkdir()
  (tmp_path / "broken" / "config.json").write_text("{")
  printed = run_main(runs_command, capsys, str(tmp_path))
  lines = [line.split() for line in printed.splitlines()]
  assert lines[0] == "run status step best on validation age".split()
  assert lines[1][:3] == ["broken", "unreadable", "-"]
  where = "learning_rate=0.01,seed=0"
  assert lines[2][:3] == [where, "stopped", "10/20"]
  assert lines[2][3:7] == ["squared_error", "0.5000", "at", "10"]
  assert lines[3][1:3] == ["finished", "20/20"] and len(lines) == 5
  assert runs_command.duration(59) == "59 s"
  assert runs_command.duration(7300) == "2 h"
  with pytest.raises(RunError, match="no run here"):
    runs_command.main(["runs", str(tmp_path / "logs")])
  with pytest.raises(ConfigError, match="give a folder"):
    runs_command.main(["runs"])
