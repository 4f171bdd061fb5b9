"""scripts.reproduce as a command: one real, tiny run, stops and failures."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import types

import pytest
from helpers import REPOSITORY, Child

from lstm_jax.errors import ConfigError, RunError
from scripts import (
  reproduce,
  reproduce_commands,
  reproduce_page,
  reproduce_records,
)
from scripts.papers import hochreiter_1997 as paper_1997
from scripts.papers.base import Row, Run, load_paper


@pytest.fixture
def fake(tmp_path, trials_run):
  """A paper whose only run is finished, but not recorded."""
  config = tmp_path / "fake.py"
  config.write_text(
    "from configs import hochreiter_1997\n"
    "def get_config(variant):\n"
    "  config = hochreiter_1997.get_config(variant)\n"
    "  config.task.evaluation_sequences = 40\n"
    "  config.train.steps = config.train.validate_every = 100\n"
    "  return config\n"
  )
  shutil.copytree(trials_run, tmp_path / "runs/fake/tiny")
  rows = (Row("first", "a tiny run", ("tiny",), {"sequences_0": 100}),)
  return types.SimpleNamespace(
    TEXT="# Fake\n\n{results}\n", CONFIG=str(config),
    ROWS=rows, judge=paper_1997.judge, plot=paper_1997.plot,
    columns=paper_1997.columns,
  )  # fmt: skip


def test_a_finished_run_is_recorded_once(tmp_path, fake, capfd):
  folders = tmp_path / "runs", tmp_path / "results"
  for _ in range(2):
    assert reproduce.reproduce("fake", fake, fake.ROWS, *folders) == 0
  printed = capfd.readouterr().out
  assert printed.count("scoring, test") == 1
  assert "recorded already" in printed and "going on from step 100" in printed
  found = reproduce_records.read_results(tmp_path / "results")
  assert [record["trial"] for record in found] == [0, 1, 2]
  for record in found:
    assert record["seed"] == record["trial"] and record["updates"] == 100
    assert record["met_0"] is None and not record["succeeded"]
    assert record["config"] == f"{fake.CONFIG}:tiny"
    assert record["test/sequences"] == 40
    assert record["test/wrong"] == round(40 * record["test/wrong_sequences"])
    assert record["command"] == (
      f"python -m experiments.train --config={fake.CONFIG}:tiny"
      " --workdir=runs/fake/tiny"
    )
    assert 0 < record["seconds"] < 120 and "cores" in record["hardware"]
    assert not any(isinstance(v, dict | list) for v in record.values())
  text = (tmp_path / "results/fake.md").read_text()
  assert "no: 0 of 3 trials succeeded" in text
  assert (tmp_path / "results/fake.png").is_file()


def test_what_a_run_has_reached_is_recorded_before_its_scores(
  tmp_path, fake, capfd
):
  fake.judge = lambda row, trials: (True, "")
  fake.partial = lambda row, trials: "so far" * ("updates_done" in trials[0])
  folders = tmp_path / "runs", tmp_path / "results"
  arguments = ("fake", fake, fake.ROWS, *folders)
  assert reproduce.reproduce(*arguments, partial=True) == 0
  assert "first: partial: so far" in capfd.readouterr().out
  records = reproduce_records.read_results(tmp_path / "results")
  assert [record["updates_done"] for record in records] == [100] * 3
  assert not any(name.startswith("test/") for name in records[0])
  assert "Of 1 rows: 1 partial." in (tmp_path / "results/fake.md").read_text()
  assert reproduce.reproduce(*arguments) == 0
  assert "first: yes" in capfd.readouterr().out
  shutil.rmtree(tmp_path / "runs")
  assert reproduce.reproduce(*arguments, partial=True) == 2
  assert "nothing has been validated yet" in capfd.readouterr().out


def test_a_trained_run_is_scored_once_more(tmp_path, fake, capfd):
  short = {"short": "--task=evaluation_sequences=20"}
  of = Run("again", "tiny", of="fake/tiny", tests=short)
  rows = (*fake.ROWS, Row("second", "", runs=(of,), paper={"sequences_0": 1}))
  fake.ROWS = rows
  path = tmp_path / "runs/fake/tiny/run.json"
  record = json.loads(path.read_text())
  record["starts"][0]["commit"] = "of the training"
  path.write_text(json.dumps(record))
  folders = tmp_path / "runs", tmp_path / "results"
  for _ in range(2):
    assert reproduce.reproduce("fake", fake, rows[1:], *folders) == 0
  assert capfd.readouterr().out.count("scoring, short") == 1
  arguments = ("fake", fake, rows[1:], *folders)
  assert reproduce.reproduce(*arguments, partial=True) == 0
  found = reproduce_records.read_results(tmp_path / "results")
  assert [record["run"] for record in found] == ["again"] * 3
  assert "short/sequences" in found[0] and "test/sequences" not in found[0]
  assert found[0]["command"].endswith("--workdir=runs/fake/tiny")
  assert found[0]["seconds"] > 0 and "training" not in str(found[0]["commit"])
  assert reproduce.reproduce(*arguments, again=True) == 0
  assert len(reproduce_records.read_results(tmp_path / "results")) == 6
  assert [path.name for path in (tmp_path / "runs/fake").iterdir()] == ["tiny"]


def test_settings_are_searched_once(tmp_path, finished_run, capfd):
  path = tmp_path / "run"
  shutil.copytree(finished_run, path)
  words = "place", path, "--mode=cache --tune_tokens=9"
  for again, count in ((False, 1), (False, 0), (True, 1)):
    reproduce_commands.search(*words, again)
    printed = capfd.readouterr().out
    assert printed.count("place: searching") == count
    assert printed.count("best: theta") == count
  with pytest.raises(RunError, match="the search failed with exit code"):
    reproduce_commands.search("place", path, "--mode=dynamic --rate=x", False)


@pytest.mark.slow
def test_a_failed_run_does_not_stop_the_others(tmp_path, fake, capfd):
  fake.CONFIG = "nowhere.py"
  rows = [*fake.ROWS, Row("second", "", ("x",), {"sequences_0": 1})]
  fake.ROWS = rows
  folders = tmp_path / "runs", tmp_path / "results"
  assert reproduce.reproduce("fake", fake, rows, *folders) == 2
  printed = capfd.readouterr()
  assert printed.out.count("training failed with exit code 2") == 2
  assert printed.err.count("error: nowhere.py: no such config file") == 2
  assert "2 not run" in (tmp_path / "results/fake.md").read_text()


def test_what_is_ignored_is_not_passed_on():
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  try:
    hang_up = f"import os, signal; os.kill({os.getpid()}, signal.SIGHUP)"
    code, _ = reproduce_commands.run_module("timeit", "-n1", "-r1", hang_up)
  finally:
    signal.signal(signal.SIGHUP, before)
  assert code == 0


def test_again_keeps_the_old_run(tmp_path):
  path = tmp_path / "6a"
  for number in (1, 2):
    path.mkdir()
    (path / "config.json").write_text("{}")
    new = reproduce._move_away(path)
    assert new == tmp_path / f"6a.old-{number}"
    assert (new / "config.json").is_file() and not path.exists()


CHILD = """
import os, signal, sys, time
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
print(os.getpgrp(), flush=True)
while not seen:
  time.sleep(0.01)
time.sleep(0.3)
print(f"saved after {len(seen)} signal", flush=True)
sys.exit(130)
"""
PARENT = """
import sys
from scripts.reproduce_commands import Stopped, run_module
try:
  run_module("child")
except Stopped as stopped:
  sys.exit(stopped.args[0])
"""


def test_ctrl_c_reaches_the_training_once(tmp_path):
  (tmp_path / "child.py").write_text(CHILD)
  path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
  process = Child(
    [sys.executable, "-c", PARENT],
    stdout=subprocess.PIPE,
    text=True,
    env=os.environ | {"PYTHONPATH": path},
    start_new_session=True,
  )
  # Two signals at once may arrive as one, so that counting them is not enough.
  assert int(process.stdout.readline()) != process.pid
  os.killpg(process.pid, signal.SIGINT)  # as a terminal does
  printed, _ = process.communicate(timeout=500)
  assert printed == "saved after 1 signal\n"
  assert process.returncode == 130


@pytest.mark.parametrize(
  "words, message",
  [
    ([], "--paper is missing"),
    (["--paper=hochreiter_1979"], 'did you mean "hochreiter_1997"'),
    (["--paper=base"], 'no "base"'),
    (["--paper=hochreiter_1997", "--row=6c"], '--row: no "6c"; did you mean'),
  ],
)
def test_wrong_commands(words, message):
  with pytest.raises(ConfigError) as error:
    reproduce.main(["reproduce", *words])
  assert message in str(error.value) and "\n" not in str(error.value)


def test_results_stay_at_home_unless_they_are_to_be_recorded(
  tmp_path, fake, capfd, monkeypatch
):
  committed = tmp_path / "committed"
  for module in (reproduce, reproduce_page):
    monkeypatch.setattr(module, "COMMITTED", committed)
  monkeypatch.setattr(reproduce, "load_paper", lambda name: fake)
  words = ["reproduce", "--paper=fake", f"--workdir={tmp_path}/runs"]
  # What the repository has: one of the trials met the rule.
  assert reproduce.main([*words, "--record"]) == 0
  printed = capfd.readouterr().out
  assert "recorded already" not in printed and "yours" not in printed
  assert f"{committed}/fake.md" in printed and (committed / "fake.png").exists()
  text = (committed / "fake.md").read_text()
  assert "`python -m scripts.reproduce --paper=fake --page --record`" in text
  records = reproduce_records.read_results(committed)
  records[0] |= {"met_0": 100, "succeeded": True}
  lines = "".join(json.dumps(record) + "\n" for record in records)
  (committed / "runs.jsonl").write_text(lines)
  before = {p.name: p.read_bytes() for p in committed.iterdir()}

  assert reproduce.main(words) == 0
  lines = [line.split("  ") for line in capfd.readouterr().out.splitlines()]
  cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
  assert ["first: a tiny run", "yours", "committed"] in cells
  assert ["ours: success", "0/3", "1/3"] in cells
  assert ["paper: mean sequences", "100"] in cells
  judged = next(line for line in cells if line[0] == "reproduced")
  assert judged[1].startswith("no: 0 of 3") and "1 of 3" in judged[2]
  assert {p.name: p.read_bytes() for p in committed.iterdir()} == before
  results = tmp_path / "runs/results"
  assert {"runs.jsonl", "fake.md", "fake.png"} == {
    p.name for p in results.iterdir()
  }
  assert "--record" not in (results / "fake.md").read_text()
  # The same command again has nothing to do.
  assert reproduce.main(words) == 0
  assert "tiny: recorded already" in capfd.readouterr().out
  shutil.rmtree(results)
  assert reproduce.main([*words, "--list"]) == 0
  assert "0 of 1 runs recorded, 1 committed" in capfd.readouterr().out
  with pytest.raises(ConfigError, match="leave --results out"):
    reproduce.main([*words, "--record", f"--results={results}"])


def test_list_and_page(tmp_path, capsys):
  words = ["reproduce", "--paper=hochreiter_1997", f"--results={tmp_path}"]
  reproduce.main([*words, "--list", "--row=6a,1-4x1-0.1,controls"])
  lines = capsys.readouterr().out.splitlines()
  assert len(lines) == 33 and "0 of 3 runs recorded" in lines[1]
  assert not (tmp_path / "hochreiter_1997.md").exists()
  reproduce.main([*words, "--page"])
  path = pathlib.Path(capsys.readouterr().out.strip())
  text = load_paper(path.stem).TEXT
  assert path.read_text().startswith(text.partition("{results}")[0])
