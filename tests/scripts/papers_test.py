"""Every paper of scripts/papers: its rows, its verdicts and its page."""

import contextlib
import json
import math
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import REPOSITORY

from experiments import pictures
from experiments.command_line import load_config_file
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from scripts import reproduce, reproduce_page
from scripts.papers import cells_ptb, tallec_2018
from scripts.papers.base import all_rows, load_paper, runs
from scripts.reproduce_page import verdict, write_page

FILES = (REPOSITORY / "scripts/papers").glob("[a-z]*.py")
# That of 1997 has tests of its own.
PAPERS = sorted({file.stem for file in FILES} - {"base", "hochreiter_1997"})


def rows_of(name):
  return {row.name: row for row in all_rows(load_paper(name))}


def trials_of(paper, row, **changes):
  """Two made-up trials of each run of a row."""
  scores = {"accuracy": 1.0, "sequence_accuracy": 1.0, "wrong": 0}
  scores |= {"wrong_sequences": 0.0, "nats_per_step": 0.01}
  scores |= {"nats_per_frame": 8.4, "squared_error": 0.001, "sequences": 9}
  scores |= {"perplexity": 114.0, "nats_per_char": 1.5}
  base = {"seed": 0, "updates": 100, "met_0": 100, "met_1": 100}
  base |= {"succeeded": True, "parameters": 9, "seconds": 5, "trials": 2}
  base |= {"hardware": "abacus", "jax": "1", "commit": "c" * 40}
  base |= {"uncommitted_changes": False, "row": row.name, "started": "t"}
  base |= {f"{test}/{k}": v for test in row.tests for k, v in scores.items()}
  base |= {f"cell_state/{n}": 1.0 for n in (100, 1000, 10_000)}
  base |= {"curve/10": 0.05, "curve/20": 0.001, "paper": paper}
  return [
    base | {"run": run.name, "trial": trial} | changes
    for run in runs(row)
    for trial in (0, 1)
  ]


@pytest.mark.parametrize("name", [*PAPERS, "hochreiter_1997"])
def test_every_run_has_a_sound_config(name):
  paper = load_paper(name)
  rows = all_rows(paper)
  assert len({row.name for row in rows}) == len(rows)
  assert paper.TEXT.count("{results}") == 1
  for row in rows:
    for run in runs(row):
      config = load_config_file(f"{REPOSITORY}/{paper.CONFIG}:{run.variant}")
      validate(config)


def test_pages_written_at_once_take_turns(tmp_path):
  paper = load_paper("tallec_2018")
  with ThreadPoolExecutor(4) as pool:
    pages = [
      pool.submit(write_page, "tallec_2018", paper, tmp_path) for _ in range(8)
    ]
    assert {page.result().name for page in pages} == {"tallec_2018.md"}
  assert {file.name for file in tmp_path.iterdir()} == {
    "tallec_2018.md",
    "tallec_2018.png",
  }


@pytest.mark.parametrize("name", PAPERS)
def test_a_page_of_nothing_and_of_something(name, tmp_path):
  paper = load_paper(name)
  text = write_page(name, paper, tmp_path).read_text()
  assert f"Of {len(paper.ROWS)} rows: {len(paper.ROWS)} not run." in text
  records = [r for row in paper.ROWS for r in trials_of(name, row)]
  lines = "".join(json.dumps(record) + "\n" for record in records)
  (tmp_path / "runs.jsonl").write_text(lines)
  text = write_page(name, paper, tmp_path).read_text()
  assert "| not run |" not in text and "abacus" in text
  assert (tmp_path / f"{name}.png").stat().st_size > 10_000


COMMITTED = REPOSITORY / "experiments/results"


@pytest.mark.parametrize("name", [*PAPERS, "hochreiter_1997"])
def test_everything_in_a_picture_is_in_its_legend(name, tmp_path, monkeypatch):
  """Of what the repository has; bars begin at 0 and no two ticks touch."""
  drawn = []
  enter = pictures.picture

  @contextlib.contextmanager
  def keeping(*words, **more):
    with enter(*words, **more) as made:
      yield made
    drawn.append(made)

  monkeypatch.setattr(reproduce_page, "picture", keeping)
  shutil.copy(COMMITTED / "runs.jsonl", tmp_path)
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    write_page(name, load_paper(name), tmp_path)
  assert (tmp_path / f"{name}.png").stat().st_size < 200_000
  ((figure, panels),) = drawn
  renderer = figure.canvas.get_renderer()
  named = {t.get_text().replace("\n", " ") for t in figure.legends[0].texts}
  for axes in panels.flat:
    for line in axes.lines:
      assert line.get_label() in named or not len(line.get_xdata())
    for bars in axes.containers:
      assert bars.get_label() in named or not len(bars)
      assert axes.get_ylim()[0] == 0 and axes.get_yscale() == "linear"
    low, high = sorted(axes.get_xlim())
    boxes = sorted(
      t.get_window_extent(renderer).extents.tolist()
      for t in axes.get_xticklabels()
      if t.get_text() and low <= t.get_position()[0] <= high
    )
    assert all(a[2] < b[0] for a, b in zip(boxes, boxes[1:], strict=False))
    if name in ("char_rnn", "merity_2018", "zaremba_2014"):  # epochs
      assert all(tick == round(tick) for tick in axes.get_xticks())


def test_the_best_rate_gets_more_seeds_and_alone_reads_the_test_split():
  row = rows_of("cells_ptb")["slstm"]
  trials = trials_of("cells_ptb", row)
  for trial in trials:
    if trial["run"] == "slstm-0.004-0":
      trial |= {"curve/2": 0.0001}
  more = row.then(trials)
  assert row.tests == {"valid": "--split=valid"}
  assert [run.tests for run in more] == [{"test": ""}] * 3
  assert [(run.name, run.of) for run in more] == [
    ("slstm-0.004-0-test", "cells_ptb/slstm-0.004-0"),
    ("slstm-0.004-1", ""),
    ("slstm-0.004-2", ""),
  ]
  found = dict(cells_ptb.columns)
  for number, run in enumerate(more):
    scores = {"run": run.name, "seed": number, "curve/1": 7.0}
    trials.append(trials[-1] | scores | {"test/perplexity": 114.0 + number})
  assert row.then(trials) == more
  ours = found["test perplexity: mean ± std"](row, trials)
  assert ours == "115.00 ± 1.00"
  assert verdict(cells_ptb, row, trials, []) == "done"


def with_curves(chrono, bias):
  """Losses at three steps, as multiples of the memoryless loss."""
  row = rows_of("tallec_2018")["copy-200"]
  baseline = 10 * math.log(8) / 220
  trials = trials_of("tallec_2018", row)
  for trial in trials:
    losses = chrono if trial["run"].endswith("chrono") else bias
    trial |= {
      f"curve/{10 * k}": loss * baseline for k, loss in enumerate(losses, 1)
    }
  return trials


TALLEC = "tallec_2018", "copy-200"


@pytest.mark.parametrize(
  "name, row, changes, expected",
  [
    ("gers_2000", "forget", {"test/accuracy": 0.991}, "yes"),
    ("gers_2000", "forget", {"test/accuracy": 0.98}, "no: 0 of 2 trials reach"),
    ("gers_2000", "standard", {"test/accuracy": 0.6}, "yes"),
    ("gers_2000", "none", {"test/accuracy": 0.61}, "no: the mean, 61.0%"),
    ("bai_2018", "jsb", {"test/nats_per_frame": 8.59}, "yes"),
    ("bai_2018", "jsb", {"test/nats_per_frame": 8.61}, "no: 0.16 above"),
    ("bai_2018", "nottingham", {"test/nats_per_frame": 3.0}, "yes"),
    ("beck_2024", "parity-slstm", {"long/accuracy": 0.98}, "no: 98.0%"),
    ("beck_2024", "parity-min_lstm", {"long/accuracy": 0.55}, "yes"),
    ("beck_2024", "recall-matrix_lstm", {"test/accuracy": 0.91}, "yes"),
    ("beck_2024", "recall-lstm", {"test/accuracy": 0.61}, "no: 61.0%"),
    ("gers_schmidhuber_2001", "ab", {"to_200/wrong": 1}, "yes"),
    ("gers_schmidhuber_2001", "ab", {"to_100/wrong": 1}, "no: the best trial"),
    ("gers_schmidhuber_2001", "abc", {"to_80/wrong": 1}, "no: the best trial"),
    ("gers_schmidhuber_2001", "abc", {"to_100/wrong": 1}, "yes"),
    ("tallec_2018", "adding-200", {}, "no: 1.00 times fewer"),
    ("deletang_2023", "parity-lstm", {"long/sequence_accuracy": 0.98}, "no"),
    ("deletang_2023", "bucket_sort-lstm", {}, "yes"),
    ("deletang_2023", "reverse_string-lstm", {}, "no: 100.0 % is not in 50"),
    ("char_rnn", "adam", {}, "yes"),
    ("char_rnn", "adam", {"valid/nats_per_char": 1.501}, "no: 1.501 is above"),
    ("merity_2018", "ptb-20", {"valid/perplexity": 50}, "partial: 2 of 500"),
    ("zaremba_2014", "medium", {"test/perplexity": 84}, "yes"),
    ("zaremba_2014", "medium", {"updates_done": 9}, "partial: 2 of 39 epochs"),
    ("adaptive_lm", "cache", {"test/perplexity": 108.4}, "no: 4.9% is less"),
    ("adaptive_lm", "dynamic", {"test/perplexity": 108.3}, "yes"),
    ("modern_1997", "2a", {}, "yes"),
    ("modern_1997", "4", {"succeeded": False}, "no: 0 of 2 trials solved"),
  ],
)
def test_verdicts(name, row, changes, expected):
  row = rows_of(name)[row]
  trials = trials_of(name, row, **changes)
  assert verdict(load_paper(name), row, trials, []).startswith(expected)


@pytest.mark.parametrize(
  "chrono, bias, expected",
  [
    ((0.5, 0.09, 0.05), (1, 0.51, 0.01), "yes"),
    ((0.5, 0.11, 0.09), (1, 0.51, 0.49), "no: chrono gets to 9%"),
    ((0.5, 0.11, 0.11), (1, 1, 1), "no: chrono gets to 11%"),
  ],
)
def test_chrono_is_compared_at_the_same_step(chrono, bias, expected):
  row = rows_of("tallec_2018")["copy-200"]
  trials = with_curves(chrono, bias)
  assert verdict(tallec_2018, row, trials, []).startswith(expected)


def test_chrono_may_need_half_the_updates():
  row = rows_of("tallec_2018")["adding-200"]
  trials = trials_of("tallec_2018", row)
  for trial in trials:
    if trial["run"].endswith("bias"):
      trial |= {"updates": 200, "succeeded": False}
  assert tallec_2018.judge(row, trials)[0]
  trials[0]["succeeded"] = False
  assert tallec_2018.judge(row, trials) == (
    False, "1 of 2 chrono trials succeeded",
  )  # fmt: skip


def test_validation_curves_of_each_trial(tmp_path):
  lines = [
    {"step": 5, "train/nats_per_step": 9},
    {"step": 10, "trial": 0, "valid/nats_per_step": 2.0},
    {"step": 10, "trial": 1, "valid/nats_per_step": 3.0},
    {"step": 10, "valid/nats_per_step": 2.5},
    {"step": 20, "trial": 0, "valid/nats_per_step": 1.0},
  ]
  text = "".join(json.dumps(line) + "\n" for line in lines)
  (tmp_path / "metrics.jsonl").write_text(text)
  assert tallec_2018.measure(tmp_path) == [
    {"curve/10": 2.0, "curve/20": 1.0},
    {"curve/10": 3.0},
  ]
  alone = [line for line in lines if "trial" not in line]
  text = "".join(json.dumps(line) + "\n" for line in alone)
  (tmp_path / "metrics.jsonl").write_text(text)
  assert tallec_2018.measure(tmp_path) == [{"curve/10": 2.5}]


def test_files_of_data_are_looked_for_first(tmp_path):
  words = ["reproduce", "--paper=bai_2018", f"--results={tmp_path}"]
  with pytest.raises(ConfigError, match="--data: it is missing; row jsb reads"):
    reproduce.main(words)
  with pytest.raises(ConfigError, match="has no JSB_Chorales.mat; row jsb"):
    reproduce.main([*words, f"--data={tmp_path}"])
