"""Points of sweeps, their names, and how they are run."""

import math
import pathlib
import runpy

import numpy as np
import pytest

from configs import adding
from experiments import sweep as sweep_command
from experiments.command_line import parse_config
from experiments.launchers import local
from experiments.launchers.child import Job, Place, failure
from lstm_jax.config import fields
from lstm_jax.config.sweeps import (
  Choice,
  Integers,
  SearchSpace,
  Uniform,
  chain,
  grid,
  name_point,
  override,
  override_words,
  sample_points,
  zip_,
)
from lstm_jax.errors import ConfigError
from lstm_jax.models.registry import MODELS
from lstm_jax.run.status import read_status

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


def point_config(base, point):
  """The config of the run that a point becomes."""
  job = sweep_command.make_job(
    pathlib.Path("w"), base, parse_config(["sweep", *base]), point
  )
  return parse_config(["sweep", *job.words])


def test_a_point_may_be_another_model():
  base = ["--config=configs/adding.py:tiny", "--config.model.hidden_sizes=5"]
  for name in ("sequence_model", "window"):
    model = point_config(base, {"model.name": name}).model
    assert type(model) is MODELS[name] and model.hidden_sizes == (5,)


def test_algebra():
  points = grid(
    {"a": [1, 2], "b": ["x", "y"]}, zip_({"c": [3, 4], "d": [5, 6]})
  )
  assert len(points) == 8 and len({str(p) for p in points}) == 8
  assert points[0] == {"a": 1, "b": "x", "c": 3, "d": 5}
  assert points[1] == {"a": 1, "b": "x", "c": 4, "d": 6}
  assert points[-1] == {"a": 2, "b": "y", "c": 4, "d": 6}
  assert chain([{"a": 1}], grid({"a": [2, 1]})) == [{"a": 1}, {"a": 2}]
  assert chain([{"a": [1], "b": 2}], [{"b": 2.0, "a": [1]}]) == (
    [{"a": [1], "b": 2}]
  )
  many = grid({"a": range(200_000)})
  assert chain(many, many) == many
  with pytest.raises(ConfigError, match="2 of a, 1 of b"):
    zip_({"a": [1, 2], "b": [1]})
  with pytest.raises(ConfigError, match="two axes set a"):
    grid({"a": [1]}, [{"a": 2}])


def test_sample():
  points = sample_points(SPACE)
  assert len(points) == 7 and points == sample_points(SPACE)
  assert points != sample_points(SPACE, 7, seed=1)
  many = sample_points(SPACE, 4000)
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
  assert sorted(p["train.seed"] for p in sample_points(few)) == [0, 1, 2, 3]
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
  points = sample_points(found) if isinstance(found, SearchSpace) else found
  base = ["--config=configs/adding.py"]
  for point in points:
    known = fields(point_config(base, point))
    assert {name: known[name] for name in point} == point
  config = adding.get_config()
  assert len({name_point(p, config) for p in points}) == len(points)


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
    ("x = 3\n", "sweep.py: not a sweep file: no function get_sweep in it"),
    ("x = (\n", r"SyntaxError: '\(' was never closed \(line 1\)"),
  ],
)
def test_a_wrong_sweep_file(tmp_path, text, message):
  path = tmp_path / "sweep.py"
  path.write_text(text)
  with pytest.raises(ConfigError, match=message):
    sweep_command.load_sweep(str(path))
  with pytest.raises(ConfigError, match="no such sweep file"):
    sweep_command.load_sweep(str(tmp_path / "other.py"))


def test_points_that_make_no_sense(tmp_path):
  base, config = ["--config=configs/adding.py:tiny"], adding.get_config("tiny")
  for points, message in (
    ([{"train.sed": 1}], 'point train.sed=1: .*did you mean "train.seed"'),
    ([{"train.seed": 1}, {"train.seed": 1}], "more than once"),
    ([{"train.steps": -1}], "point train.steps=-1: train.steps: must be"),
  ):
    with pytest.raises(ConfigError, match=message):
      sweep_command.plan_sweep(tmp_path, base, config, points)


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
  assert override_words({"a.b": True, "c": (1,)}) == [
    "--config.a.b=true",
    "--config.c=1",
  ]
  assert runpy.run_path("configs/sweeps/adding_rates.py")["get_sweep"]()


def test_a_sweep_over_cells():
  """Points may choose cells that have no use for what the config file set, and
  take the place of what the command line sets for all."""
  for base, all_points in (
    ([], grid({"model.cell": ["lstm", "rnn", "min_lstm"]})),
    (["--config.model.cell=rnn"], grid({"model.cell": ["lstm", "gru"]})),
  ):
    argv = ["sweep", "--config=configs/adding.py:tiny", *base]
    found = sweep_command.base_words(
      "configs/adding.py:tiny", parse_config(argv)
    )
    assert found == argv[1:]
    for point in all_points:
      config = point_config(found, point)
      assert config.model.cell == point["model.cell"]
      takes = config.model.cell.endswith("lstm")
      assert config.model.options.forget_bias == (4.0 if takes else 1.0)
  point = {"model.cell": "rnn", "model.options.forget_bias": 2.0}
  with pytest.raises(ConfigError, match="point .*forget_bias: the cell .rnn."):
    point_config(found, point)


def test_override():
  assert override(["--a=1", "--b=2"], ["--b=3", "--c=4"]) == [
    *("--a=1", "--b=3", "--c=4")
  ]
