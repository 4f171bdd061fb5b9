"""The benchmark's report from made-up numbers, and real workers on a tiny
shape."""

import importlib
import os

import jax
import numpy as np
import pytest
from helpers import run_main
from PIL import Image

from configs import zaremba_2014
from lstm_jax.errors import ConfigError, RunError
from scripts import (
  benchmark,
  benchmark_lm,
  benchmark_lstm,
  benchmark_report,
  benchmark_training,
)
from scripts.benchmark_report import median
from scripts.machine import machine
from scripts.peers import ours, ours_lm, problem

SHAPE = (4, 6, 3, 8, 2)
TINY = {
  "batch": 3,
  "time": 4,
  "embedding": 6,
  "hidden": (5, 6),
  "vocabulary": 11,
  "tied": True,
}


def made_up(groups, seconds) -> dict:
  """Results in which `seconds(record)` are the times; None is an error."""
  records = [dict(record) for group in groups for record in group]
  for record in records:
    times = seconds(record)
    if times is None:
      record["error"] = "no such module"
    else:
      record |= {
        "seconds": times,
        "first_seconds": 1.5,
        "peak_bytes": 3 * 10**6,
        "temporary_bytes": 2_500_000,
      }
  return {
    "title": "A benchmark",
    "date": "2026-01-01",
    "machine": {"cpu": "abacus", "cores": 2, "system": "wood"},
    "versions": {"ours": {"jax": "1.2"}},
    "records": records,
  }


def row(text: str, *start: str) -> list[str]:
  """The cells of the only table row that starts so."""
  rows = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in text.splitlines()
    if line.startswith("|")
  ]
  (found,) = [cells for cells in rows if cells[: len(start)] == list(start)]
  return found


def test_report_holds_the_numbers(tmp_path):
  groups = benchmark_lstm.layers(
    {"a": SHAPE}, ["ours", "torch", "keras"], ["train"], ["default", "split"]
  )
  seconds = {"ours": 0.002, "torch": 0.003}

  def measured(record):
    value = seconds.get(record["peer"])
    return value and [value, value, 9.0]  # a median does not see the 9

  paths = benchmark_report.write_report(made_up(groups, measured), tmp_path)
  table, spread = paths[0].read_text().split("## Spread")
  flops = 3 * 4 * 6 * 8 * 8 * (3 + 8 + 8 + 8)
  speed = f"{flops / 0.002 / 1e9:,.0f} GFLOP/s"
  other = f"{flops / 0.003 / 1e9:,.0f} GFLOP/s"
  shape = "4, 6, 3, 8, 2"
  assert row(table, "a", shape, "default")[3:] == [
    f"2.00, {speed} (tuned)", f"3.00, {other} (1.50)", "-",
  ]  # fmt: skip
  # torch has no split of its own
  split = [f"2.00, {speed} (split)", "-", "-"]
  assert row(table, "a", shape, "split")[3:] == split
  title = f"LSTM layers, train, a, {shape}, default"
  assert row(spread, title, "torch")[2:] == [
    "3.00", "3.00", "3.00", "4502", "3", "1.50", "3", "2.5",
  ]  # fmt: skip
  with Image.open(paths[1]) as picture:
    assert min(picture.size) > 300
    assert len(np.unique(np.asarray(picture.convert("L")))) > 5


def test_report_of_the_other_parts(tmp_path):
  groups = benchmark_lstm.gemm((1000,)) + benchmark_lstm.length((100,))

  def measured(record):
    if record["column"] == "linen":
      return None
    return [0.2 if record["case"].get("variant") == "sqrt" else 0.1]

  paths = benchmark_report.write_report(made_up(groups, measured), tmp_path)
  assert [path.name for path in paths] == ["benchmark.md"]  # nothing to draw
  text, _ = paths[0].read_text().split("## Spread")
  assert "## Matrix products, float32\n" in text
  products = ["100.0, 20 GFLOP/s (tuned)", "100.0, 20 GFLOP/s (1.00)"]
  assert row(text, "1000")[1:] == products
  full, sqrt, linen = row(text, "16, 100, 32, 128, 1")[1:]
  assert full.endswith("(tuned)") and sqrt.endswith("(2.00)") and linen == "-"
  (products,) = benchmark_lstm.gemm((8,), "gpu")  # of which there is one kind
  assert [r["section"] for r in products] == ["Matrix products, TF32"]


def test_a_language_models_report(tmp_path):
  groups = benchmark_lm.groups({"tiny": TINY}, ["update"], ["ours", "torch"])

  def measured(record):
    if record["process"] == "default":
      return None
    return [0.2 if record["peer"] == "torch" else 0.1]

  (path,) = benchmark_report.write_report(made_up(groups, measured), tmp_path)
  text = path.read_text()
  assert row(text, "tiny")[1:] == [
    "3 x 4, 6-5-6, vocabulary 11, tied", "100.0, 120 token/s (tuned)", "-",
    "200.0, 60 token/s (2.00)",
  ]  # fmt: skip


@pytest.mark.slow
def test_real_workers_measure_a_tiny_shape(tmp_path):
  """Real processes; one of them has an interpreter that is not there."""
  peers = ["ours", "linen", "torch"]
  groups = benchmark_lstm.layers({"tiny": SHAPE}, peers, ["train"], ["default"])
  wrong = benchmark_lstm.layer_record("linen", "default", SHAPE, "train", "x")
  wrong["results"] = [1]  # as if a gradient had been left out
  notes = []
  results = benchmark.benchmark(
    [*groups, [wrong]],
    benchmark_lstm.MODULES,
    {"torch": "/no/python"},
    0.01,
    lambda text: None,
    notes.append,
  )
  assert len(notes) == 2
  assert notes[0].startswith("torch (default) is left out: /no/python")
  assert "numbers come out, not [1]" in notes[1]
  for record in results["records"]:
    if record["peer"] == "torch" or record is wrong:
      assert median(record) is None
    else:
      assert record["peak_bytes"] > 10**6 and "error" not in record
      assert 3 <= len(record["seconds"]) <= 1000
      assert 0 < median(record) < record["first_seconds"]
  benchmark_report.write_report(results | {"title": "x"}, tmp_path)
  text = (tmp_path / "benchmark.md").read_text()
  cells = row(text, "tiny", "4, 6, 3, 8, 2", "default")
  assert cells[3].endswith("(tuned)") and cells[5] == "-"
  assert float(cells[4].partition("(")[2].strip(")")) > 0


@pytest.mark.parametrize(
  "words",
  [["--peers=tensorflow"], ["--shapes=z"], ["--python=lua=x"], ["--skip=all"]],
)
def test_wrong_flags_are_one_line(words):
  with pytest.raises(ConfigError, match="there are"):
    benchmark_lstm.main(["benchmark_lstm", *words])


@pytest.mark.parametrize("word", ["--shapes=huge", "--parts=all", "--python=x"])
def test_wrong_flags_of_language_models_are_one_line(word):
  with pytest.raises(ConfigError, match="there are"):
    benchmark_lm.main(["benchmark_lm", word])


def test_quick_settings_are_kept_on_a_gpu(tmp_path, monkeypatch):
  seen, main = [], benchmark_lstm.main

  def fake(groups, *arguments):
    seen.extend(r["peer"] for group in groups for r in group)
    return made_up([], None) | {"complete": True}

  words = ["x", "--platform=gpu", f"--output={tmp_path / 'a/b'}"]
  monkeypatch.setattr(benchmark, "machine", lambda on: {"gpu": "abacus"})
  monkeypatch.setattr(benchmark, "benchmark", fake)
  assert main([*words, "--quick"]) == 0
  assert set(seen) == {"gemm", "ours", "torch", "linen"}
  assert main(words) == 0
  assert {"cudnn", "keras"} <= set(seen)
  with pytest.raises(ConfigError, match="--setting: there is one on a GPU"):
    main([*words, "--setting=tuned"])
  seen.clear()  # what cannot be written is not measured
  with pytest.raises(RunError, match="cannot be made: Not a directory"):
    main([*words[:2], f"--output={tmp_path / 'a/b/benchmark.md/c'}"])
  assert not seen


@pytest.mark.parametrize(
  "script, found",
  [
    ("echo No devices were found; exit 6", "No devices were found"),
    ("exit 0", "it names none"),
    ("echo a, 1; echo b, 1", None),
  ],
)
def test_what_nvidia_smi_says(script, found, tmp_path, monkeypatch):
  (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
  (tmp_path / "nvidia-smi").chmod(0o700)
  monkeypatch.setenv("PATH", str(tmp_path))
  if not found:
    assert machine("gpu")["gpu"] == "a, 1"
    return
  with pytest.raises(ConfigError, match=f"no NVIDIA GPU: nvidia-smi: {found}"):
    machine("gpu")


@pytest.mark.parametrize("part", benchmark_lm.PARTS)
def test_ours_computes_all_of_a_language_models_part(part, monkeypatch):
  monkeypatch.setattr(benchmark_lm, "SAMPLED", 5)
  # Of the devices that the tests run on, one: 3 rows cannot be split.
  monkeypatch.setattr(jax, "device_count", lambda: 1)
  run = ours_lm.make(TINY | {"part": part, "length": 5})
  first, second = ([np.asarray(a) for a in run()] for _ in range(2))
  assert sum(a.size for a in first) == benchmark_lm._results(TINY, part)
  assert all(np.isfinite(a).all() for a in first)
  if part == "update":  # it learns, and starts near the uniform distribution
    assert second[0] < first[0]
    assert first[0] / 12 == pytest.approx(np.log(11), rel=0.05)
  if part == "forward":  # the state goes on
    assert second[0] != first[0]
  if part == "softmax":  # gradients of a softmax sum to zero over its symbols
    np.testing.assert_allclose(first[-1].sum(), 0, atol=1e-5)


def test_of_several_gpus_one_is_used(monkeypatch):
  assert ours_lm._layout().mesh.size == jax.device_count() > 1
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  assert ours_lm._layout().mesh is None


def test_every_contender_computes_the_same_number_of_things():
  groups = benchmark_lm.groups(
    benchmark_lm.SHAPES, benchmark_lm.PARTS, benchmark_lm.MODULES
  )
  assert len(groups) == 16
  for group in groups:
    assert [r["peer"] for r in group] == ["ours", "torch", "torch"]
    assert len({str(r["case"]) for r in group}) == 1
  assert groups[0][0]["amount"] == 400 and groups[3][0]["amount"] == 256
  assert groups[10][0]["results"] == [1 + 40 * 70 * 400 + 400 * 10_000 + 10_000]


def test_flags_of_ours_are_not_the_peers(monkeypatch):
  monkeypatch.delenv("XLA_FLAGS")
  importlib.reload(ours)  # as the benchmark imports it
  assert "XLA_FLAGS" not in os.environ
  ours.layer(SHAPE)
  assert os.environ["XLA_FLAGS"] == "--xla_gpu_deterministic_ops=true"


def test_the_speed_of_a_loop_of_one_update(corpus):
  """Of words; the first interval has no speed."""
  config = zaremba_2014.get_config("tiny")
  config.task.corpus, config.task.window = corpus, 5
  assert benchmark_training.measure_loop(config, 1) > 0


@pytest.mark.slow
def test_the_benchmark_of_training(corpus, capsys):
  words = "--config=configs/zaremba_2014.py:tiny", "--steps=2", "--rounds=1"
  corpus = f"--config.task.corpus={corpus}"
  printed = run_main(benchmark_training, capsys, *words, corpus)
  *_, sampling, loop = printed.splitlines()
  assert sampling.startswith("sampling: ") and "tokens/s" in loop


@pytest.mark.parametrize(
  "words, message",
  [
    (["--config=configs/adding.py"], '"adding" has no text'),
    (["--config.train.trials=2"], "train.trials: one is measured"),
  ],
)
def test_what_the_benchmark_of_training_refuses(words, message):
  with pytest.raises(ConfigError, match=message):
    benchmark_training.main(["x", *words])


def test_flops_and_sizes():
  b, t, d, h = 2, 3, 5, 7
  shape = (b, t, d, h, 1)
  assert problem.flops(shape, "forward") == 2 * b * t * 4 * h * (d + h)
  params = 4 * h * (d + h)
  assert problem.result_sizes(shape, "train") == {
    b * t * (h + d) + params + 4 * h,
    b * t * (h + d) + params + 8 * h,
  }
