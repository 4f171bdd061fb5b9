"""The benchmark of language models: its cases and its report."""

import jax
import numpy as np
import pytest
from benchmark_results import made_up, row

from lstm_jax.errors import ConfigError
from scripts import benchmark_lm
from scripts.benchmark_cases import title
from scripts.peers import ours_lm

TINY = {
  "batch": 3,
  "time": 4,
  "embedding": 6,
  "hidden": (5, 6),
  "vocabulary": 11,
  "tied": True,
}


def case(part, **changes):
  more = {"kind": "lm", "part": part, "length": 5}
  return TINY | more | changes


@pytest.mark.parametrize("part", benchmark_lm.PARTS)
def test_ours_computes_all_of_a_part(part, monkeypatch):
  monkeypatch.setattr(benchmark_lm, "SAMPLED", 5)
  # Of the devices that the tests run on, one: 3 rows cannot be split.
  monkeypatch.setattr(jax, "device_count", lambda: 1)
  run = ours_lm.make(case(part))
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
  assert title(groups[0]) == "lm small update"
  assert groups[0][0]["tokens"] == 400 and groups[3][0]["tokens"] == 256
  assert groups[10][0]["results"] == [1 + 40 * 70 * 400 + 400 * 10_000 + 10_000]


def test_report_holds_the_numbers(tmp_path):
  groups = benchmark_lm.groups(
    {"tiny": TINY}, ["update", "softmax"], ["ours", "torch"]
  )

  def seconds(record):
    if record["process"] == "default":
      return None
    whole = 0.2 if record["peer"] == "torch" else 0.1
    return [whole / 4 if record["part"] == "softmax" else whole]

  (path,) = benchmark_lm.write(made_up(groups, seconds), tmp_path)
  update, share = path.read_text().split("## The softmax's share")
  update = update.split("## The softmax, its")[0]
  shape = "3 x 4, 6-5-6, vocabulary 11, tied"
  assert row(update, "tiny") == [
    "tiny", shape, "100.0, 120 tokens/s (tuned)", "-",
    "200.0, 60 tokens/s (2.00)",
  ]  # fmt: skip
  assert row(share, "tiny") == ["tiny", "25 %", "-", "25 %"]


@pytest.mark.parametrize("word", ["--shapes=huge", "--parts=all", "--python=x"])
def test_wrong_flags_are_one_line(word):
  with pytest.raises(ConfigError, match="there are"):
    benchmark_lm.main(["benchmark_lm", word])
