"""The fault report: what was found takes the place of what was."""

import json

import pytest
from helpers import REPOSITORY

from lstm_jax.errors import ConfigError
from scripts import chaos
from scripts.faults.base import Finding, error_line

RESULTS = REPOSITORY / "experiments/results"


def test_new_findings_take_the_place_of_old_ones(tmp_path, monkeypatch, capsys):
  sound = True

  def check(folder, times):
    assert folder.is_dir() and not list(folder.iterdir())
    yield Finding(f"a | fault, {times} times", "one line", "`error`", sound)

  groups = {"first": (check, 3), "second": (check, 5)}
  monkeypatch.setattr(chaos, "GROUPS", groups)
  old = {"group": "gone", "fault": "old", "wanted": "w", "found": "f"}
  old |= {"sound": True, "seconds": 1, "cores": 2, "jax": "1", "day": "d"}
  file = tmp_path / "reliability.jsonl"
  file.write_text(json.dumps(old) + "\n")
  words = ["chaos", f"--results={tmp_path}"]
  assert chaos.main(words) == 0
  sound = False
  assert chaos.main([*words, "--only=first", "--times=7"]) == 1
  assert "NO  a | fault, 7 times" in capsys.readouterr().out
  rows = [json.loads(line) for line in file.read_text().splitlines()]
  assert [row["group"] for row in rows] == ["first", "second", "gone"]
  text = (tmp_path / "reliability.md").read_text()
  assert "Of 3 faults, 2 end as they should." in text
  assert "| a \\| fault, 7 times | one line | `error` | **no** |" in text
  assert "a \\| fault, 5 times" in text and "3 times" not in text
  assert "- `gone`, no longer made" in text
  with pytest.raises(ConfigError, match='no "thrid"'):
    chaos.main([*words, "--only=thrid"])


def test_the_committed_page_is_that_of_its_rows():
  lines = (RESULTS / "reliability.jsonl").read_text().splitlines()
  page = chaos.page([json.loads(line) for line in lines])
  assert page == (RESULTS / "reliability.md").read_text()


def test_an_error_is_one_line(tmp_path):
  text = f"training\nerror: {tmp_path}/run: no\n"
  assert error_line(text, tmp_path) == "error: DIR/run: no"
  assert error_line(2 * text, tmp_path) == "2 lines of error"
  assert error_line("", tmp_path) == "0 lines of error"
  crash = text + "Traceback (most recent call last):\nKeyError: 1\n"
  assert error_line(crash, tmp_path) == "a traceback: KeyError: 1"
