"""Own .npz and CSV files: what is read of them, and what is refused."""

import numpy as np
import pytest

from lstm_jax.data.columns import cut_splits, make_arrays, read_npz
from lstm_jax.data.tables import (
  feature_names,
  read_table,
  take_groups,
  take_windows,
)
from lstm_jax.errors import DataError
from lstm_jax.tasks.arrays import ArraysConfig

TABLE = """day;temp;"wind, km/h";town;next
mon;1;10;a;0
tue;2;20;b;1
wed;3;30;a;0
thu;4;40;a;1
fri;5;50;b;1
"""


@pytest.fixture
def table(tmp_path):
  path = tmp_path / "t.csv"
  path.write_text(TABLE)
  return read_table(path)


def test_numeric_columns_are_features(table):
  names = feature_names(table, "next")
  assert names == ["temp", "wind, km/h"]
  np.testing.assert_array_equal(
    table.matrix(names), [[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]]
  )


def test_a_window_and_the_target_after_it(table):
  arrays = take_windows(table, ["temp"], 2, target="temp", ahead=2)
  np.testing.assert_array_equal(arrays.inputs[..., 0], [[1, 2], [2, 3]])
  np.testing.assert_array_equal(arrays.targets, [4, 5])
  strided = take_windows(table, ["temp"], 3, stride=2)
  np.testing.assert_array_equal(strided.inputs[..., 0], [[1, 2, 3], [3, 4, 5]])
  assert strided.targets is None
  part = take_windows(
    table, ["temp"], 1, target="temp", ahead=1, part=slice(2, 5)
  )
  np.testing.assert_array_equal(part.targets, [4, 5])


def test_the_rows_of_a_group_are_a_sequence(table):
  arrays = take_groups(table, ["temp"], "town", "next")
  np.testing.assert_array_equal(arrays.lengths, [3, 2])
  np.testing.assert_array_equal(arrays.inputs[..., 0], [[1, 3, 4], [2, 5, 0]])
  np.testing.assert_array_equal(arrays.targets, [1, 1])


def test_the_target_of_a_group_is_no_feature(tmp_path):
  path = tmp_path / "t.csv"
  rows = [f"{n // 2},{n},{10 * (n // 2)}" for n in range(40)]
  path.write_text("who,x,y\n" + "\n".join(rows) + "\n")
  config = ArraysConfig(
    data=str(path), goal="regression", target="y", group="who",
    standardise=False,
  )  # fmt: skip
  task = config.load(4)
  assert task.record["sequences"] == {"train": 16, "valid": 2, "test": 2}
  window, data, _ = task.evaluation("train", 16)
  batch = window(data, 0)[0]
  first = np.asarray(batch.inputs.x[:, :, 0])
  assert batch.inputs.x.shape == (16, 2, 1)
  np.testing.assert_array_equal(first[:, 1], first[:, 0] + 1)
  targets = np.asarray(batch.targets.values[:, -1, 0])
  np.testing.assert_array_equal(targets, 5 * first[:, 0])
  assert task.assets()["arrays"]["features"] == ["x"]


def test_windows_never_cross_the_border_of_a_split(tmp_path):
  path = tmp_path / "t.csv"
  path.write_text("x\n" + "".join(f"{n}\n" for n in range(100)))
  config = ArraysConfig(
    data=str(path), goal="regression", target="x", window=4, ahead=2,
    percent=(60, 20, 20), standardise=False,
  )  # fmt: skip
  task = config.load(8)
  assert task.record["sequences"] == {"train": 55, "valid": 15, "test": 15}
  window, data, _ = task.evaluation("valid", 15)
  batch = window(data, 0)[0]
  first = np.arange(60, 75)
  np.testing.assert_array_equal(
    batch.inputs.x[..., 0], first[:, None] + np.arange(4)
  )
  np.testing.assert_array_equal(batch.targets.values[:, -1, 0], first + 5)
  baseline = task.record["baseline"]
  assert (baseline["name"], baseline["rmse"]) == ("the last value", 2)


@pytest.mark.parametrize(
  ("text", "says"),
  [
    ("a,b\n1,2\n3\n", "line 3 has 1 cells, the header 2"),
    ("a,b\n1,2\n3,\n", 'line 3, column "b": "" is no finite number'),
    ("a,b\n1,2\nx,4\n", 'line 3, column "a": "x" is no finite number'),
    ("a,b\n1,nan\n", 'line 2, column "b": "nan"'),
    ("a,b\n", "needs a header line and rows"),
    ("a,a\n1,2\n", "columns need names"),
  ],
)
def test_a_wrong_table_is_one_clear_line(tmp_path, text, says):
  path = tmp_path / "t.csv"
  path.write_text(text)
  with pytest.raises(DataError, match=says):
    read_table(path)


def test_a_column_that_is_not_there(table):
  config = ArraysConfig(
    data=str(table.path), goal="regression", target="tmp", window=1
  )
  with pytest.raises(
    DataError, match='task.target.*"tmp"; did you mean "temp"'
  ):
    config.load(1)
  with pytest.raises(DataError, match='task.group: .* no column "twn"'):
    take_groups(table, ["temp"], "twn", "next")
  with pytest.raises(DataError, match="fewer than the 7 of a window"):
    take_windows(table, ["temp"], 6, target="temp", ahead=1)


X = np.zeros((4, 3, 2))


@pytest.mark.parametrize(
  ("arrays", "says"),
  [
    ({"inputs": np.zeros((4, 3))}, r"got float64 \[4, 3\]; one feature needs"),
    ({"inputs": np.zeros((4, 0, 2))}, "inputs: empty"),
    ({"inputs": np.array(["a"])}, "inputs must be numbers .samples timesteps"),
    ({"inputs": np.array([[-1, 2]])}, "symbols are 0, 1, ...; there is -1"),
    ({"inputs": X, "lengths": [1, 2, 3, 4]}, "sample 3 has 4; .* 1 to 3"),
    ({"inputs": X, "lengths": [1, 2]}, r"integers \[4 samples\], got int64"),
    ({"inputs": X, "targets": [1, 2]}, r"\[4 samples ...\].*got int64 \[2\]"),
    ({"inputs": X, "lenghts": [3] * 4}, 'unknown.*; did you mean "lengths"'),
    ({"targets": [1]}, "no array inputs; there is targets"),
    ({"inputs": X, "valid_targets": [1]}, "no array valid_inputs"),
    (
      {"inputs": np.where(np.arange(24).reshape(4, 3, 2) == 9, np.nan, 0)},
      "inputs: nan at sample 1, timestep 1, feature 1",
    ),
  ],
)
def test_wrong_arrays_are_one_clear_line(tmp_path, arrays, says):
  path = tmp_path / "own.npz"
  np.savez(path, **arrays)
  with pytest.raises(DataError, match=says) as error:
    read_npz(path)
  assert str(path) in str(error.value)


@pytest.mark.parametrize(
  ("goal", "targets", "says"),
  [
    ("classification", None, "targets: there are none; classification needs"),
    ("classification", np.full(20, 0.5), "must be integers or text"),
    ("classification", np.zeros((20, 5), int), r"got int64 \[20, 5\]"),
    ("regression", np.zeros((20, 5, 1)), "numbers .samples., .samples outputs"),
    ("regression", np.array(["a"] * 20), "must be numbers"),
    ("regression", np.full(20, np.inf), "targets: inf at sample 0"),
  ],
)
def test_targets_that_are_not_for_the_goal(tmp_path, goal, targets, says):
  path = tmp_path / "own.npz"
  found = {} if targets is None else {"targets": targets}
  np.savez(path, inputs=np.zeros((20, 3, 2)), **found)
  with pytest.raises(DataError, match=says):
    ArraysConfig(data=str(path), goal=goal).load(2)


def test_what_lies_behind_a_sequence_may_be_anything():
  inputs = np.array([[[1.0], [np.nan]], [[2.0], [3.0]]])
  assert make_arrays("", inputs, lengths=[1, 2]).mask().sum() == 3
  with pytest.raises(DataError, match="sample 0, timestep 1"):
    make_arrays("", inputs)


def test_a_split_that_is_there_is_not_cut_again():
  samples, mine = (make_arrays("", np.zeros((n, 1, 1))) for n in (30, 7))
  found = cut_splits({"train": samples, "test": mine}, (70, 20, 10), 0)
  assert found["test"] is mine
  # 20 of the 90 percent that train and valid share
  assert [len(found[s].inputs) for s in ("train", "valid")] == [24, 6]


@pytest.mark.parametrize("file", ["a.npz", "a.csv"])
def test_a_file_that_is_not_there_or_not_sound(tmp_path, file):
  config = ArraysConfig(data=str(tmp_path / file), goal="next_step")
  with pytest.raises(DataError, match="no such file; give an .npz or .csv"):
    config.load(1)
  (tmp_path / file).write_bytes(b"\xff\xfe\x00 nothing")
  with pytest.raises(DataError, match="not a sound|cannot be read"):
    config.load(1)
