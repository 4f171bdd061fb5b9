"""The commands evaluate and generate."""

import json

import numpy as np
import pytest
from helpers import run_main, run_process

from experiments import evaluate, generate
from lstm_jax.errors import UserError
from lstm_jax.run.writers import read_metrics


def test_evaluate(finished_run, capsys):
  printed = run_main(
    evaluate, capsys, f"--workdir={finished_run}", "--streams=4"
  )
  values = dict(line.split(": ") for line in printed.splitlines()[1:])
  best = min(
    row["valid/bits_per_char"]
    for row in read_metrics(finished_run)
    if "valid/bits_per_char" in row
  )
  assert float(values["bits per char"]) == pytest.approx(best, abs=1e-4)
  assert values["characters"] == "299"
  bits, nats = float(values["bits per char"]), float(values["nats per char"])
  assert bits == pytest.approx(nats / np.log(2), abs=2e-4)
  assert float(values["perplexity"]) == pytest.approx(np.exp(nats), rel=1e-3)
  test = run_main(evaluate, capsys, f"--workdir={finished_run}", "--split=test")
  assert "test split" in test and "characters: 299" in test


def test_streams_are_compared(finished_run, capsys):
  words = [f"--workdir={finished_run}", "--json"]
  one, four, three = (
    json.loads(run_main(evaluate, capsys, *words, f"--streams={n}"))
    for n in (1, 4, 3)
  )
  printed = run_main(evaluate, capsys, *words, "--streams=0,4,3")
  found = list(map(json.loads, printed.splitlines()))
  assert found[0] == one | {"streams": 1}
  for record, alone, streams in ((found[1], four, 4), (found[2], three, 3)):
    difference = alone["bits_per_char"] - one["bits_per_char"]
    assert difference
    assert record == alone | {
      "streams": streams,
      "bits_per_char_difference": difference,
    }
  lines = run_main(evaluate, capsys, words[0], "--streams=1,4").splitlines()
  difference = found[1]["bits_per_char_difference"]
  assert lines[-1] == f"bits per char difference: {difference:.4f}"
  assert sum(line.startswith("bits per char: ") for line in lines) == 2


@pytest.mark.slow
def test_evaluate_every_trial(trials_run):
  valid = [row for row in read_metrics(trials_run) if "trial" in row]
  words = [f"--workdir={trials_run}", "--checkpoint=latest"]
  printed = run_process("experiments.evaluate", *words, "--trial=all", "--json")
  records = [json.loads(line) for line in printed.splitlines()]
  assert [r["trial"] for r in records] == [0, 1, 2]
  for record, row in zip(records, valid):
    assert record["trial"] == row["trial"] and record["step"] == row["step"]
    assert record["sequences"] == 40
    error = row["valid/squared_error"]
    assert record["squared_error"] == pytest.approx(error, rel=1e-5)
  assert len({r["squared_error"] for r in records}) == 3
  lines = run_process(
    "experiments.evaluate", *words, "--trial=all"
  ).splitlines()
  error = f"squared error {records[1]['squared_error']:.4f}"
  assert len(lines) == 4 and lines[0] == "checkpoint 100, valid split"
  assert lines[2].startswith(f"trial 1: sequences 40, {error},")
  printed = run_process(
    "experiments.evaluate", *words, "--trial=2", "--json", "--split=test"
  )
  test = json.loads(printed)
  assert test["trial"] == 2 and test["sequences"] == 40
  assert test["squared_error"] != records[2]["squared_error"]


@pytest.mark.slow
def test_evaluate_a_changed_task(trials_run):
  scores = {
    change: evaluate.evaluate_trials(
      str(trials_run), "valid", trial=0, changes=change.split(",")
    )[0]
    for change in ("length=20", "length=40,evaluation_sequences=7")
  }
  known = read_metrics(trials_run)
  (row,) = [r for r in known if r.get("trial") == 0]
  same, other = scores.values()
  error = row["valid/squared_error"]
  assert same["squared_error"] == pytest.approx(error, rel=1e-5)
  assert same["sequences"] == 40 and other["sequences"] == 7
  assert other["squared_error"] != same["squared_error"]


@pytest.mark.parametrize(
  "changes, message",
  [
    (["lenght=9"], '--task: no field "lenght"; did you mean "length"?'),
    (["name=adding"], '--task: no field "name"'),
    (["length=long"], "--task: length must be an integer, got 'long'"),
    (["length=3"], "task.length: must be at least 10"),
    (["relevant=3"], "--task=relevant=3: the model was made for"),
  ],
)
def test_changes_that_make_no_sense(trials_run, changes, message):
  with pytest.raises(UserError) as error:
    evaluate.evaluate_trials(str(trials_run), "valid", changes=changes)
  assert message in str(error.value) and "\n" not in str(error.value)


def test_scoring_a_text(finished_run, capsys, tmp_path):
  path = tmp_path / "text.txt"
  path.write_text("red\n\u00fc")
  printed = run_main(
    evaluate, capsys, f"--workdir={finished_run}", f"--score={path}"
  )
  rows = [line.split("\t") for line in printed.splitlines()[:5]]
  assert "".join(json.loads(row[1]) for row in rows) == "red\n\u00fc"
  nats = [float(row[0]) for row in rows]
  assert "characters: 5" in printed
  mean = float(printed.split("nats per char: ")[1].split()[0])
  assert mean == pytest.approx(sum(nats) / 5, abs=1e-3)


@pytest.mark.parametrize(
  "words, message",
  [
    ([], "--workdir is missing"),
    (["--workdir=nowhere"], "no run here"),
    (["--workdir=RUN", "--checkpoint=7"], "best, latest, "),
    (["--workdir=RUN", "--split=train"], "should be one of <valid|test>"),
    (["--workdir=RUN", "--streams=-1"], "--streams=-1: must be numbers from 0"),
    (["--workdir=RUN", "--streams=1,x"], "--streams=1,x: must be numbers"),
    (["--workdir=RUN", "--streams="], "--streams is empty"),
    (["--workdir=RUN", "--score=nowhere.txt"], "no such file"),
    (["--workdir=RUN", "--score=x", "--split=test"], "takes no --split"),
    (["--workdir=RUN", "--score=x", "--json"], "takes no --json"),
    (["--workdir=RUN", "--score=x", "--task=a=1"], "takes no --task"),
    (["--workdir=RUN", "--score=x", "--trial=all"], "a number from 0 on"),
    (["--workdir=RUN", "--trial=-1"], "a number from 0 on or all"),
    (["--workdir=RUN", "--trial=1"], "no trial 1; there are 1"),
  ],
)
def test_wrong_evaluate_commands(finished_run, words, message):
  words = [w.replace("RUN", str(finished_run)) for w in words]
  with pytest.raises(UserError) as error:
    evaluate.main(["evaluate", *words])
  assert message in str(error.value) and "\n" not in str(error.value)


# generate


def test_generate(finished_run, capsys):
  words = [f"--workdir={finished_run}", "--prompt=red", "--search.length=50"]
  first = run_main(generate, capsys, *words, "--search.seed=1")
  assert first.startswith("red") and len(first) == 3 + 50 + 1
  assert run_main(generate, capsys, *words, "--search.seed=1") == first
  assert run_main(generate, capsys, *words, "--search.seed=2") != first
  greedy = run_main(generate, capsys, *words, "--search.temperature=0")
  assert run_main(generate, capsys, *words, "--search.top_k=1") == greedy
  long = "red green\n" * 100  # longer than the training window of 8
  printed = run_main(
    generate, capsys, words[0], f"--prompt={long}", "--search.length=5"
  )
  assert printed.startswith(long) and len(printed) == 1006


@pytest.mark.parametrize(
  "words, message",
  [
    (["--prompt=r\u00fcd", "--search.length=2"], "vocabulary lacks 'ü'"),
    (["--prompt=\udcff"], "vocabulary lacks '\\udcff'"),
    (["--search.temperature=-1"], "--search.temperature"),
    (["--search.temperature=nan"], "--search.temperature"),
    (["--search.length=x"], "--search.length=x"),
    (["--search.top_k=-2"], "--search.top_k"),
    (["--temperature=1"], 'did you mean "--search.temperature"?'),
    (["--lenght=9"], 'did you mean "--search.length"?'),
    (["--xyzzy=9"], "--help lists the flags"),
    (["--checkpoint=3"], "no checkpoint"),
  ],
)
def test_wrong_generate_commands(finished_run, words, message):
  with pytest.raises(UserError) as error:
    generate.main(["generate", f"--workdir={finished_run}", *words])
  assert message in str(error.value) and "\n" not in str(error.value)
