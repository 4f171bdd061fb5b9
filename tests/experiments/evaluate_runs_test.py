"""experiments.evaluate over several runs: a table, a CSV, broken ones."""

import csv
import json
import shutil

import pytest
from fake_runs import fake_sweep
from helpers import run_main

from experiments import evaluate
from experiments.evaluate_runs import shown
from lstm_jax.errors import ConfigError


@pytest.fixture
def folder(tmp_path, finished_run):
  """Two good runs, one of them behind a link, and two broken ones."""
  runs = tmp_path / "runs"
  shutil.copytree(finished_run, runs / "good")
  shutil.copytree(finished_run, tmp_path / "elsewhere")
  (runs / "linked").symlink_to(tmp_path / "elsewhere")
  shutil.copytree(finished_run, runs / "lost")
  shutil.rmtree(runs / "lost/checkpoints")
  (runs / "torn").mkdir()
  (runs / "torn/config.json").write_text("{")
  return runs


def test_a_broken_run_costs_no_other(folder, capsys):
  alone = run_main(evaluate, capsys, f"--workdir={folder}/good", "--json")
  alone = json.loads(alone)
  table = folder.parent / "out.csv"
  words = ["evaluate", f"--workdir={folder}", f"--csv={table}"]
  assert evaluate.main(words) == 2
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == "valid split, checkpoint best"
  assert lines[1].split() == (
    "run state step characters bits per char nats per char perplexity".split()
  )
  score = f"{alone['bits_per_char']:.4f}"
  for line, name in zip(lines[2:4], ("good", "linked"), strict=True):
    cells = [f"runs/{name}", "finished", "12", "299", score]
    assert line.split()[:5] == cells
  assert lines[4].startswith("runs/lost") and "error: " in lines[4]
  assert lines[5].startswith("runs/torn") and "config.json" in lines[5]
  rows = list(csv.DictReader(table.read_text().splitlines()))
  assert [row["run"] for row in rows] == [f"runs/{n}" for n in (
    "good", "linked", "lost", "torn",
  )]  # fmt: skip
  assert float(rows[0]["bits_per_char"]) == alone["bits_per_char"]
  assert rows[1]["error"] == "" and rows[2]["error"] and rows[3]["error"]
  # --json, and words in place of --workdir
  words = ["evaluate", f"{folder}/good", f"{folder}/lost", "--json"]
  assert evaluate.main(words) == 2
  found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert found[0]["bits_per_char"] == alone["bits_per_char"]
  assert found[0]["run"] == "good" and "error" in found[1]


def test_a_folder_without_a_broken_run_exits_with_0(folder, capsys):
  printed = run_main(
    evaluate, capsys, f"{folder}/good", f"{folder}/linked", "--split=test"
  )
  lines = printed.splitlines()
  assert lines[0] == "test split, checkpoint best" and len(lines) == 4
  assert lines[1].split()[:3] == ["run", "step", "characters"]


def test_points_of_a_sweep_that_are_not_there(tmp_path, capsys):
  entries = fake_sweep(tmp_path)  # without checkpoints
  assert evaluate.main(["evaluate", str(tmp_path)]) == 2
  lines = capsys.readouterr().out.splitlines()
  assert [line.split()[0] for line in lines[2:]] == [e.name for e in entries]
  assert "no such thing" in lines[-1]


def test_trials_are_lines_of_their_own(trials_run, capsys):
  printed = run_main(evaluate, capsys, str(trials_run))
  lines = printed.splitlines()
  assert [line.split()[:3] for line in lines[2:]] == [
    ["trials", "trial", str(number)] for number in range(3)
  ]
  printed = run_main(evaluate, capsys, str(trials_run), "--trial=1")
  assert printed.splitlines()[2] == lines[3] and printed.count("\n") == 3


@pytest.mark.parametrize(
  "words, message",
  [
    ([], "--workdir is missing"),
    (["a", "--workdir=b"], 'unexpected word "a" beside --workdir'),
    (["RUNS", "--score=x"], "--score: is for one run"),
    (["RUNS", "--predictions=x"], "--predictions: is for one run"),
    (["RUNS", "--mode=cache"], "--mode=cache: is for one run"),
    (["RUNS", "--streams=1,2"], "--streams: of several runs"),
    (["RUNS", "--csv=/nowhere/at/all.csv"], "no such folder"),
    (["--workdir=RUN", "--csv=x"], "--csv: is for the table"),
  ],
)
def test_wrong_commands(words, message, finished_run):
  folders = {
    "RUNS": str(finished_run),
    "--workdir=RUN": f"--workdir={finished_run}",
  }
  with pytest.raises(ConfigError) as error:
    evaluate.main(["evaluate", *(folders.get(word, word) for word in words)])
  assert message in str(error.value)


def test_small_scores_are_shown():
  assert [shown(v) for v in (1.5, 0.0, 0.00042, 0.0012, 12345)] == [
    "1.5000", "0.0000", "0.00042", "0.0012", "12,345",
  ]  # fmt: skip
