"""The benchmark's report from made-up numbers, and real workers on a tiny
shape."""

import importlib
import os

import numpy as np
import pytest
from benchmark_results import made_up, row
from helpers import run_main
from PIL import Image

from configs import zaremba_2014
from lstm_jax.errors import ConfigError, RunError
from scripts import benchmark_cases as cases
from scripts import benchmark_lstm, benchmark_report, benchmark_training
from scripts.benchmark_lstm import benchmark, main
from scripts.benchmark_records import median
from scripts.peers import ours, problem

SHAPE = (4, 6, 3, 8, 2)


def test_report_holds_the_numbers(tmp_path):
  groups = cases.layers(
    {"a": SHAPE}, ["ours", "torch", "keras"], ["train"], ["default", "split"]
  )
  milliseconds = {"ours": 0.002, "torch": 0.003}

  def seconds(record):
    value = milliseconds.get(record["peer"])
    return value and [value, value, 9.0]  # a median does not see the 9

  paths = benchmark_report.write(made_up(groups, seconds), tmp_path)
  text = paths[0].read_text()
  flops = 3 * 4 * 6 * 8 * 8 * (3 + 8 + 8 + 8)
  speed = f"{flops / 0.002 / 1e9:.0f} GFLOP/s"
  shape = "4, 6, 3, 8, 2"
  assert row(text, "a", shape, "default")[3:] == [
    f"2.00 ({speed}, tuned)", "3.00 (1.50x)", "-",
  ]  # fmt: skip
  # torch has no split of its own
  assert row(text, "a", shape, "split")[3:] == [f"2.00 ({speed})", "-", "-"]
  spread = row(text, "a", "train", "default", "torch")
  assert spread[4:] == ["3.00", "3.00", "3.00", "4502", "3", "1.50", "3"]
  with Image.open(paths[1]) as picture:
    assert min(picture.size) > 300
    assert len(np.unique(np.asarray(picture.convert("L")))) > 5


def test_report_of_the_other_parts(tmp_path):
  groups = [
    *cases.gemm((1000,)),
    *cases.length((100,)),
    *cases.extremes(),
  ]

  def seconds(record):
    if record.get("name") == "linen":
      return None
    return [0.2 if record.get("name") == "plain scan" else 0.1]

  results = made_up(groups, seconds)
  for record in results["records"]:
    if record.get("name") == 'ours, memory="sqrt"':
      record["temporary_bytes"] = 2_500_000
  paths = benchmark_report.write(results, tmp_path)
  assert [path.name for path in paths] == ["benchmark.md"]  # nothing to draw
  text = paths[0].read_text()
  assert row(text, "numpy") == ["numpy", "1000", "20", "20"]
  assert row(text, "100", 'ours, memory="sqrt"')[2:] == [
    "100.0", "1000.0", "2.5", "1.50",
  ]  # fmt: skip
  assert row(text, "100", "linen")[2:] == ["-"] * 4
  assert row(text, "32, 128, 1, 256, 1", "train")[2:] == [
    "100.0", "200.0", "2.00",
  ]  # fmt: skip


@pytest.mark.slow
def test_real_workers_measure_a_tiny_shape(tmp_path):
  """Real processes; one of them has an interpreter that is not there."""
  peers = ["ours", "linen", "torch"]
  groups = cases.layers({"tiny": SHAPE}, peers, ["train"], ["default"])
  wrong = cases.layer_record("linen", "default", SHAPE, "train", section="x")
  wrong["results"] = [1]  # as if a gradient had been left out
  notes = []
  results = benchmark(
    [*groups, [wrong]],
    0.01,
    {"torch": "/no/python"},
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
  benchmark_report.write(results, tmp_path)
  text = (tmp_path / "benchmark.md").read_text()
  cells = row(text, "tiny", "4, 6, 3, 8, 2", "default")
  assert cells[3].endswith("tuned)") and cells[4].endswith("x)")
  assert cells[5] == "-"


@pytest.mark.parametrize(
  "words",
  [["--peers=tensorflow"], ["--shapes=z"], ["--python=lua=x"], ["--skip=all"]],
)
def test_wrong_flags_are_one_line(words):
  with pytest.raises(ConfigError, match="there are"):
    main(["benchmark_lstm", *words])


def test_quick_settings_are_kept_on_a_gpu(tmp_path, monkeypatch):
  seen = []

  def benchmark(groups, *arguments):
    seen.extend(r["peer"] for group in groups for r in group)
    return made_up([], None) | {"complete": True}

  words = ["x", "--platform=gpu", f"--output={tmp_path / 'a/b'}"]
  monkeypatch.setattr(benchmark_lstm, "_gpu", lambda: "abacus")
  monkeypatch.setattr(benchmark_lstm, "benchmark", benchmark)
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
    assert benchmark_lstm.machine("gpu")["gpu"] == "a, 1"
    return
  with pytest.raises(ConfigError, match=f"no NVIDIA GPU: nvidia-smi: {found}"):
    benchmark_lstm.machine("gpu")


def test_products_on_a_gpu_are_not_of_float32():
  results = made_up(cases.gemm((8,), ("xla",)), lambda record: [0.1])
  assert "## Matrix products, float32" in benchmark_report.markdown(results)
  results["machine"]["gpu"] = "abacus"
  assert "## Matrix products, TF32" in benchmark_report.markdown(results)


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
