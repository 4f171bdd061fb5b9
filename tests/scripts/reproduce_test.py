"""scripts.reproduce: records, verdicts and pages, from made-up runs."""

import functools
import json
import os
import types

import pytest
from PIL import Image

from configs import hochreiter_1997 as configs
from lstm_jax.errors import RunError
from scripts import reproduce_records
from scripts.papers import hochreiter_1997 as paper_1997
from scripts.papers.base import (
  Row,
  all_rows,
  mean_score,
  paper_score,
  runs,
  with_seed,
)
from scripts.reproduce_page import paper_page, verdict, write_page

ROWS = {row.name: row for row in all_rows(paper_1997)}


def made_up(row: Row, run: str, met, *, started="a", wrong=0, **more):
  """Records of a run whose trials met the two or more bounds at `met`."""
  records = []
  for trial, steps in enumerate(met):
    steps = steps if isinstance(steps, tuple) else (steps,)
    records.append(
      {"paper": "hochreiter_1997", "row": row.name, "run": run}
      | {"trials": len(met), "trial": trial, "updates": steps[-1] or 999}
      | {f"met_{i}": step for i, step in enumerate(steps)}
      | {"succeeded": steps[-1] is not None, "started": started}
      | {"test/wrong": wrong, "test/sequences": 2560, "seconds": 3700}
      | {"hardware": "abacus", "jax": "1.2", "commit": "c" * 40}
      | {"uncommitted_changes": False}
      | more
    )
  return records


def cells(text: str, name: str) -> dict[str, str]:
  """The cells of a page's row, by the header of its table."""
  for line in text.splitlines():
    words = [word.strip() for word in line.strip("|").split(" | ")]
    if line.startswith("| row"):
      header = words
    elif line.startswith(f"| {name} |"):
      return dict(zip(header, words, strict=True))
  raise AssertionError(f"no row {name}")


# the paper of 1997


def test_every_row_is_that_of_a_config():
  variants = [run.variant for row in paper_1997.ROWS for run in runs(row)]
  assert sorted(variants) == sorted(configs.ROWS)
  assert len(paper_1997.ROWS) == 31
  assert [run.variant for run in runs(ROWS["1-3x2-0.2"])] == [
    f"1-3x2-0.2-{data_set}" for data_set in range(3)
  ]
  for row in paper_1997.CONTROLS:
    for run in runs(row):
      assert run.variant.removesuffix("-rnn") in configs.ROWS
  assert ROWS["3b-100-1"].paper == {
    "sequences_0": 74_950,
    "sequences_1": 78_430,
    "wrong": pytest.approx(38.4),
  }


@pytest.mark.parametrize(
  "name, met, wrong, expected",
  [
    ("6a", [31_390] * 20, 3, "yes"),
    ("6a", [15_700] * 20, 0, "yes"),
    ("6a", [15_600] * 20, 0, "no: mean 0.50 times the paper's"),
    ("6a", [62_700] * 20, 0, "yes"),
    ("6a", [62_800] * 20, 0, "no: mean 2.00 times the paper's"),
    ("6a", [31_390] * 20, 4, "no: more than 3.0 test sequences wrong"),
    ("6a", [31_390] * 19 + [None], 0, "no: 19 of 20 trials succeeded"),
    ("6a", [None] * 20, 2560, "no: 0 of 20 trials succeeded"),
    ("5-140", [482_000] * 10, 278, "yes"),
    ("5-140", [482_000] * 10, 279, "no: more than 278.0"),
    ("3a-100-3", [(27_000, 40_000)] * 10, 0, "yes"),
    ("3a-100-3", [(2_700, 40_000)] * 10, 0, "no: mean 0.10 times"),
    ("3a-100-3", [(27_000, None)] * 10, 0, "no: 0 of 10"),
    ("3b-100-3", [(40_000, 40_000)] * 10, 42, "yes"),
    ("2c-50-50", [70_000] * 20, 99, "yes"),  # the paper counts no wrong ones
    ("2c-50-50", [71_000] * 20, 0, "no: mean 2.03 times"),  # less 10,000
  ],
)
def test_verdicts(name, met, wrong, expected):
  row = ROWS[name]
  trials = made_up(row, name, met, wrong=wrong)
  assert verdict(paper_1997, row, trials, []).startswith(expected)


@pytest.mark.parametrize(
  "failures, expected", [(1, "yes"), (2, "no: 28 of 30")]
)
def test_experiment_1_may_fail_once_in_30(failures, expected):
  row = ROWS["1-3x2-0.2"]
  records = []
  for run in runs(row):
    met = [14_000] * 10
    if run.name.endswith("-1"):
      met[:failures] = [None] * failures
    records += made_up(row, run.name, met)
  found = reproduce_records.latest(records, "hochreiter_1997", row)
  assert verdict(paper_1997, row, *found).startswith(expected)
  trials, missing = reproduce_records.latest(
    records[:25], "hochreiter_1997", row
  )
  assert len(trials) == 20 and [run.name for run in missing] == ["1-3x2-0.2-2"]
  assert verdict(paper_1997, row, trials, missing) == "incomplete: 2 of 3 runs"


def test_runs_that_follow_the_others():
  def best(trials):
    seed = max(trials, key=lambda trial: trial["test/wrong"])["seed"]
    return [with_seed("b", seed)]

  row = Row("6a", "", ("a",), seeds=(0, 1), then=best)
  first = made_up(row, "a-0", [9], wrong=1, seed=0)
  second = made_up(row, "a-1", [9], wrong=2, seed=1)
  latest = functools.partial(reproduce_records.latest, paper="hochreiter_1997")
  trials, missing = latest(first, row=row)
  assert len(trials) == 1 and [run.name for run in missing] == ["a-1"]
  trials, missing = latest(first + second, row=row)
  assert len(trials) == 2 and [run.name for run in missing] == ["b-1"]
  assert missing[0].overrides == ("--config.train.seed=1",)
  third = made_up(row, "b-1", [9], seed=1)
  trials, missing = latest(first + second + third, row=row)
  assert len(trials) == 3 and not missing


# the page


def test_the_page_of_nothing_run(tmp_path):
  path = write_page("hochreiter_1997", paper_1997, tmp_path)
  text = path.read_text()
  assert "Of 31 rows: 31 not run." in text and "## Runs" not in text
  for row in paper_1997.ROWS:
    found = cells(text, row.name)
    assert found["reproduced"] == "not run"
    assert {found[k] for k in ("ours: success", "ours: mean ± std")} == {"-"}
    assert found["time"] == found["ratio"] == "-"
  assert cells(text, "1-4x1-0.5")["paper: success"] == "97 %"
  assert cells(text, "6b")["paper: mean sequences"] == "571,100"
  with Image.open(tmp_path / "hochreiter_1997.png") as image:
    assert min(image.size) > 500


def test_the_page_has_the_numbers(tmp_path):
  records = [
    *made_up(ROWS["6a"], "6a", [20_000, 40_000], wrong=2),
    *made_up(ROWS["3a-100-3"], "3a-100-3", [(10, 20_000), (30, None)]),
    *made_up(ROWS["6b-rnn"], "6b-rnn", [None, None]),
    *made_up(ROWS["4-100"], "4-100", [None] * 10),
  ]
  reproduce_records.append_results(tmp_path, records)
  path = write_page("hochreiter_1997", paper_1997, tmp_path)
  text = path.read_text()
  assert "1 reproduced, 2 not reproduced, 28 not run" in text
  found = cells(text, "6a")
  assert found["ours: success"] == "2/2" and found["time"] == "1:01:40"
  assert found["ours: mean ± std"] == "30,000 ± 14,142"
  assert found["ratio"] == "0.96" and found["reproduced"] == "yes"
  assert found["wrong of 2,560, paper / ours"] == "1 / 2.0"
  command = "python -m scripts.reproduce --paper=hochreiter_1997 --row=6a"
  assert found["command"] == f"`{command}`"
  found = cells(text, "3a-100-3")
  assert found["ours: mean ± std"] == "10 / 20,000"
  assert found["reproduced"].startswith(
    "no: 1 of 2 trials succeeded; mean 0.00"
  )
  found = cells(text, "4-100")  # a failed row stays
  assert found["ours: success"] == "0/10"
  found = cells(text, "6b-rnn")
  assert found["ours: success"] == "0/2" and "reproduced" not in found
  assert "- abacus; jax 1.2; commit cccccccccccc: 3a-100-3, 4-100, 6a" in text
  # Only runs.jsonl is read.
  os.rename(tmp_path / "runs.jsonl", tmp_path / "elsewhere")
  assert (
    "31 not run"
    in write_page("hochreiter_1997", paper_1997, tmp_path).read_text()
  )


def test_a_run_for_each_seed():
  row = Row("lstm", "one run a seed", ("lstm",), {"test/nats": 8.45}, (3, 4))
  assert [run.name for run in runs(row)] == ["lstm-3", "lstm-4"]
  assert runs(row)[1].overrides == ("--config.train.seed=4",)
  paper = types.SimpleNamespace(
    TEXT="# T\n\n{results}\n\n## Readings\n",
    ROWS=[row],
    columns=(
      ("paper", paper_score("test/nats", 2)),
      ("ours", mean_score("test/nats", 4)),
    ),
    judge=lambda row, trials: (False, "worse"),
  )
  records = []
  for seed, nats in ((3, 8.0), (4, 9.0)):
    (record,) = made_up(row, f"lstm-{seed}", [None])
    del record["succeeded"]
    records.append(record | {"paper": "p", "test/nats": nats})
  text = paper_page("p", paper, records)
  assert text.startswith("# T\n\nOf 1 rows: 1 not reproduced.\n\n| row")
  assert "|\n\n## Readings\n\n## Runs\n\n- abacus" in text
  found = cells(text, "lstm")
  assert found["paper"] == "8.45"
  assert found["ours"] == "8.5000 ± 0.7071"
  assert found["reproduced"] == "no: worse" and found["time"] == "2:03:20"
  found = cells(paper_page("p", paper, records[:1]), "lstm")
  assert found["reproduced"] == "incomplete: 1 of 2 runs"


# runs.jsonl


def test_the_last_whole_attempt_counts(tmp_path):
  row = ROWS["6a"]
  old = made_up(row, "6a", [1, 2], started="old")
  new = made_up(row, "6a", [3, 4], started="new")
  reproduce_records.append_results(tmp_path, old + new[:1])
  path = tmp_path / "runs.jsonl"
  path.write_text(path.read_text() + '{"paper": "hochrei')  # killed
  found = reproduce_records.read_results(tmp_path)
  trials, _ = reproduce_records.latest(found, "hochreiter_1997", row)
  assert [t["met_0"] for t in trials] == [1, 2]
  reproduce_records.append_results(tmp_path, new)
  found = reproduce_records.read_results(tmp_path)
  trials, missing = reproduce_records.latest(found, "hochreiter_1997", row)
  assert [t["met_0"] for t in trials] == [3, 4] and not missing


def test_training_time_is_summed_over_the_starts(tmp_path):
  assert reproduce_records.training_seconds(tmp_path) is None
  (tmp_path / "train.log").write_text(
    "2026-01-01 10:00:01  runs/x: lstm (3), cpu, a new run\n"
    "2026-01-01 10:00:11  step 10/30  0.5\n"
    "2026-01-01 11:00:00  runs/x: lstm (3), cpu, going on from step 10\n"
    "2026-01-01 11:00:00  jax was 1 at the last start and is 2 now\n"
    "2026-01-01 11:01:00  step 30/30  0.5\n"
    "2026-01-01 11:01:05  parameters sha256 12\n"
    "2026-01-01 11:01:55  a sample of 3 characters:\n"
    "2026\n"
    "2026-01-02 11:00:00  runs/x: lstm (3), cpu, going on from step 30\n"
    "2026-01-02 11:00:01  parameters sha256 12\n"
  )
  assert reproduce_records.training_seconds(tmp_path) == 10 + 65 + 1


def test_a_run_of_one_trial(tmp_path):
  start = {"from_step": 0, "time": "t", "commit": None, "platform": "gpu"}
  start |= {"device": "H100", "cpu_cores": 8, "uncommitted_changes": True}
  record = {
    "parameters": 5,
    "data": {},
    "starts": [start | {"versions": {"jax": "1"}, "host": "h"}],
  }
  (tmp_path / "run.json").write_text(json.dumps(record))
  settings = {"seed": 7, "stop": {"name": "never"}}
  (tmp_path / "config.json").write_text(json.dumps({"train": settings}))
  row = Row("a", "", ("",))
  scores = {
    "test": [{"trial": 0, "step": 9, "nats": 1.5}],
    "long": [{"trial": 0, "step": 9, "nats": 1.7}],
  }
  arguments = ("p", "configs/p.py", row, runs(row)[0], tmp_path, scores, "x")
  arguments += ([{"curve/9": 2}],)
  (found,) = reproduce_records.describe(*arguments)
  assert found["test/nats"] == 1.5 and found["seed"] == 7
  assert found["long/nats"] == 1.7 and found["curve/9"] == 2
  assert found["hardware"] == "H100, 8 CPU cores"
  assert "succeeded" not in found and "test/wrong" not in found
  settings["stop"]["name"] = "set"
  (tmp_path / "config.json").write_text(json.dumps({"train": settings}))
  with pytest.raises(RunError, match="no trials.json"):
    reproduce_records.describe(*arguments)
