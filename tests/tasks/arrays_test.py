"""A user's own arrays: what is read, trained on, scored and kept."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import run_main, run_process, sha

from configs import arrays as recipe
from experiments import generate
from experiments.train import Plan, train
from lstm_jax.config import validate
from lstm_jax.data.inputs import Frames, Tokens
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.likelihoods.registry import LIKELIHOODS
from lstm_jax.run.load import load_run
from lstm_jax.tasks.arrays import ArraysConfig


def save(tmp_path, **arrays) -> str:
  path = tmp_path / "own.npz"
  np.savez(path, **arrays)
  return str(path)


def with_splits(inputs, targets=None, lengths=None) -> dict:
  """The same samples as all three splits."""
  arrays = {"inputs": inputs, "targets": targets, "lengths": lengths}
  return {
    start + name: array
    for start in ("", "valid_", "test_")
    for name, array in arrays.items()
    if array is not None
  }


def whole(task, split="valid"):
  """A split as one batch."""
  window, data, count = task.evaluation(split, task.record["sequences"][split])
  assert count == 1
  return jax.tree.map(np.asarray, window(data, 0)[0])


def test_a_class_is_said_at_the_last_timestep_of_a_shorter_sequence(tmp_path):
  x = np.array([[[0.0], [2.0], [9.0]], [[4.0], [2.0], [2.0]]])
  file = save(tmp_path, **with_splits(x, ["no", "yes"], [2, 3]))
  task = ArraysConfig(data=file).load(2)
  # the mean of 0, 2, 4, 2, 2 is 2, and their deviation the root of 8 / 5
  deviation = 1.6**0.5
  batch = whole(task)
  assert isinstance(batch.inputs, Frames)
  wanted = np.array([[-2, 0, 0], [2, 0, 0]])[..., None] / deviation
  np.testing.assert_allclose(batch.inputs.x, wanted, rtol=1e-6)
  mask = [[True, True, False], [True, True, True]]
  np.testing.assert_array_equal(batch.inputs.mask, mask)
  np.testing.assert_array_equal(batch.targets.values[:, -1], [0, 1])
  np.testing.assert_array_equal(batch.targets.weights, [[0, 1, 0], [0, 0, 1]])
  assert task.spec == ("frames", 1, 2, "cross_entropy")


def test_classes_of_every_timestep_leave_the_padding_out(tmp_path):
  x = np.array([[3, 1, 7], [0, 2, 1]])  # 7 lies behind the end
  y = np.array([[10, 20, -1], [20, 20, 30]])
  file = save(tmp_path, **with_splits(x, y, [2, 3]))
  task = ArraysConfig(data=file).load(2)
  batch = whole(task)
  assert isinstance(batch.inputs, Tokens)
  assert task.spec == ("tokens", 4, 3, "cross_entropy")
  np.testing.assert_array_equal(batch.targets.values, [[0, 1, 0], [1, 1, 2]])
  np.testing.assert_array_equal(batch.targets.weights, [[1, 1, 0], [1, 1, 1]])


def test_the_next_numbers_are_the_inputs_one_timestep_later(tmp_path):
  x = np.arange(8.0).reshape(2, 4, 1)
  file = save(tmp_path, **with_splits(x, lengths=[3, 4]))
  task = ArraysConfig(data=file, goal="next_step", standardise=False).load(2)
  batch = whole(task)
  np.testing.assert_array_equal(batch.inputs.x[..., 0], [[0, 1, 2], [4, 5, 6]])
  np.testing.assert_array_equal(
    batch.targets.values[..., 0], [[1, 2, 0], [5, 6, 7]]
  )
  np.testing.assert_array_equal(batch.targets.weights, [[1, 1, 0], [1, 1, 1]])
  assert task.record["baseline"] == {
    "name": "the last value", "rmse": 1.0, "mae": 1.0, "squared_error": 1.0
  }  # fmt: skip


def test_the_next_symbols_are_classes(tmp_path):
  x = np.array([[2, 0, 1], [1, 1, 2]])
  file = save(tmp_path, **with_splits(x))
  task = ArraysConfig(data=file, goal="next_step").load(2)
  batch = whole(task)
  np.testing.assert_array_equal(batch.inputs.x, [[2, 0], [1, 1]])
  np.testing.assert_array_equal(batch.targets.values, [[0, 1], [1, 2]])
  assert task.spec == ("tokens", 3, 3, "cross_entropy")
  assert task.headline == ("nats_per_step", False)


def test_errors_are_in_the_unit_of_the_targets(tmp_path):
  """Two outputs, 1000 apart in scale, said with known errors."""
  rng = np.random.default_rng(0)
  y = rng.normal(size=(20, 2)) * [1, 1000] + [5, -300]
  x = rng.normal(size=(20, 3, 2))
  file = save(tmp_path, **with_splits(x, y))
  task = ArraysConfig(data=file, goal="regression").load(4)
  batch = whole(task)
  np.testing.assert_allclose(
    batch.targets.values[:, -1], (y - y.mean(0)) / y.std(0), rtol=1e-4
  )
  said = (y + [0.5, -200] - y.mean(0)) / y.std(0)
  z = jnp.asarray(np.repeat(said[:, None], 3, 1), jnp.float32)
  output = SimpleNamespace(likelihood=LIKELIHOODS["squared_error"](z))
  scores = task.scores(task.loss(output, batch.targets))
  assert scores["rmse_0"] == pytest.approx(0.5, rel=1e-3)
  assert scores["mae_1"] == pytest.approx(200, rel=1e-3)
  assert scores["rmse"] == pytest.approx(((0.25 + 40000) / 2) ** 0.5, rel=1e-3)
  assert scores["mae"] == pytest.approx(100.25, rel=1e-3)
  rows = [row["predicted"][0] for row in task.describe(z, batch)]
  np.testing.assert_allclose(rows, y + [0.5, -200], rtol=1e-4)
  baseline = task.record["baseline"]
  assert baseline["name"] == "the training split's mean"
  assert baseline["squared_error"] == pytest.approx(1, rel=1e-4)
  assert baseline["rmse_1"] == pytest.approx(y[:, 1].std(), rel=1e-3)


def test_the_baseline_of_classes_is_how_often_they_are_in_training(tmp_path):
  x, y = np.ones((8, 2, 1)), [3, 3, 3, 4, 4, 3, 4, 3]
  arrays = with_splits(x, y) | {
    "valid_inputs": x[:3],
    "valid_targets": [3, 3, 4],
  }
  task = ArraysConfig(data=save(tmp_path, **arrays)).load(2)
  found = task.record["baseline"]
  assert found["accuracy"] == pytest.approx(2 / 3)
  nats = -(2 * np.log(5 / 8) + np.log(3 / 8)) / 3
  assert found["nats_per_step"] == pytest.approx(nats, rel=1e-5)


def test_images_are_frames_with_their_shape(tmp_path):
  x = np.random.default_rng(0).normal(size=(10, 3, 4, 5, 2)) * 7 + 3
  file = save(tmp_path, inputs=x, targets=np.arange(10) % 2)
  task = ArraysConfig(data=file).load(2)
  assert task.spec == ("frames", (4, 5, 2), 2, "cross_entropy")
  x = whole(task, "train").inputs.x
  assert x.shape == (8, 3, 4, 5, 2)
  np.testing.assert_allclose(x.mean((0, 1, 2, 3)), 0, atol=1e-5)
  np.testing.assert_allclose(x.std((0, 1, 2, 3)), 1, rtol=1e-4)


def test_splits_are_cut_once_for_all(tmp_path):
  x = np.arange(50.0).reshape(50, 1, 1)
  config = ArraysConfig(
    data=save(tmp_path, inputs=x, targets=np.arange(50) % 3), standardise=False
  )
  task, again = config.load(4), config.load(8)
  assert task.record["sequences"] == {"train": 40, "valid": 5, "test": 5}
  parts = [
    whole(task, split).inputs.x.ravel() for split in ("train", "valid", "test")
  ]
  np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(50))
  np.testing.assert_array_equal(whole(again).inputs.x.ravel(), parts[1])
  config.split_seed = 1
  assert (whole(config.load(4)).inputs.x.ravel() != parts[1]).any()


def test_a_run_keeps_what_its_model_needs(tmp_path, capsys):
  """Answers for new data come from the run directory alone."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=(60, 4, 3)) * 5 + 2
  config = recipe.get_config("tiny")
  labels = np.where(x[:, -1, 0] > 2, "high, very", "low")
  config.task.data = save(tmp_path, inputs=x, targets=labels)
  run = tmp_path / "run"
  assert train(Plan(validate(config), str(run))) == 0
  (tmp_path / "own.npz").unlink()
  loaded = load_run(run)
  kept = loaded.assets["arrays"]
  assert kept == json.loads((run / "assets/arrays.json").read_text())
  assert loaded.config.task.spec(loaded.assets).outputs == 2
  new = tmp_path / "new.npz"
  np.savez(new, inputs=x[:7], lengths=[4, 3, 4, 4, 4, 4, 1])
  answers = tmp_path / "answers.csv"
  run_main(
    generate, capsys, f"--workdir={run}", f"--input={new}",
    f"--output={answers}",
  )  # fmt: skip
  head, *lines = answers.read_text().splitlines()
  assert head == "sample,prediction" and len(lines) == 7
  scale, labels = kept["scale"], ['"high, very"', "low"]
  inputs = (x[1:2, :3] - scale[0]) / scale[1]
  logits = loaded.model(inputs.astype(np.float32)).likelihood.logits()
  assert lines[1] == f"1,{labels[int(logits[0, -1].argmax())]}"


@pytest.mark.slow
def test_a_run_on_buckets_goes_on_as_if_it_had_not_stopped(tmp_path):
  rng = np.random.default_rng(0)
  lengths = rng.integers(2, 9, 60)
  file = save(
    tmp_path,
    inputs=rng.normal(size=(60, 8, 2)),
    targets=rng.normal(size=60),
    lengths=lengths,
  )
  digests = []
  for name, stops in (("whole", ()), ("halves", (10,))):
    for steps in (*stops, 20):
      words = [
        "--config=configs/arrays.py:tiny", f"--workdir={tmp_path / name}",
        f"--config.task.data={file}", "--config.task.goal=regression",
        "--config.task.buckets=3", "--config.optimizer.schedule=constant",
      ]  # fmt: skip
      first = not (tmp_path / name).exists()
      words.append(
        f"--config.train.steps={steps}" if first else f"--extend_to={steps}"
      )
      run_process("experiments.train", *words)
    digests.append(sha(tmp_path / name))
  assert digests[0] == digests[1]


def test_the_default_needs_no_file():
  task = validate(recipe.get_config()).task.load(32)
  assert task.spec == ("frames", 8, 10, "cross_entropy")
  assert task.record["sequences"] == {"train": 1439, "valid": 179, "test": 179}
  assert task.record["baseline"]["accuracy"] < 0.2
  waves = validate(recipe.get_config("regression")).task.load(32)
  period = whole(waves).targets.values[:, -1]
  # the periods are uniform: their range is the root of 12 deviations
  assert np.ptp(period) == pytest.approx(12**0.5, rel=0.05)


@pytest.mark.parametrize(
  ("values", "says"),
  [
    ({"percent": (80, 20)}, "task.percent: must be three shares"),
    ({"percent": (50, 20, 20)}, "add up to 100"),
    ({"data": "a.csv"}, "task.target: give the column"),
    ({"target": "y"}, "task.target: it is for a .csv file"),
    ({"data": "a.csv", "target": "y", "group": "g", "ahead": 2}, "task.ahead"),
    ({"data": "a.csv", "goal": "next_step", "target": "y"}, "task.target"),
    ({"goal": "guess"}, 'task.goal: unknown name "guess"'),
  ],
)
def test_a_wrong_config_is_one_clear_line(values, says):
  config = recipe.get_config()
  config.task = ArraysConfig(**values)
  with pytest.raises(ConfigError, match=says):
    validate(config)


def test_too_few_samples_for_a_batch(tmp_path):
  file = save(tmp_path, inputs=np.zeros((50, 2, 1)), targets=np.arange(50))
  with pytest.raises(ConfigError, match="64 is more than the 40 samples"):
    ArraysConfig(data=file).load(64)
  with pytest.raises(ConfigError, match="16 is more than the 13 .* bucket"):
    ArraysConfig(data=file, buckets=3).load(16)


def test_new_data_must_be_as_in_training(tmp_path):
  y = np.arange(50) % 3
  config = ArraysConfig(
    data=save(tmp_path, inputs=np.zeros((50, 2, 4)), targets=y)
  )
  assets = config.load(4).assets()
  save(tmp_path, inputs=np.zeros((50, 2, 5)), targets=y)
  with pytest.raises(DataError, match=r"\[samples timesteps 4\].*\[50, 2, 5\]"):
    config.request_file(config.data, assets)
  save(tmp_path, inputs=np.zeros((50, 2, 4)), targets=y + 1)
  with pytest.raises(DataError, match='"3" is none of the 3 classes'):
    config.load(4, assets)
  config.goal = "regression"
  with pytest.raises(ConfigError, match='task.goal: .* "classification"'):
    config.load(4, assets)
