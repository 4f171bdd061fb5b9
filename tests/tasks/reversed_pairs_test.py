"""Words and the same words backwards, asked and judged."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import run_main

from configs import reversed_pairs
from experiments import evaluate, generate
from experiments.train import train
from lstm_jax.config import validate
from lstm_jax.errors import DataError
from lstm_jax.search.base import Prediction
from lstm_jax.tasks.reversed_pairs import LETTERS, ReversedPairsConfig


def text(symbols):
  return "".join(LETTERS[symbol - 1] for symbol in symbols)


@pytest.fixture
def task():
  return ReversedPairsConfig(longest=5, evaluation_sequences=20).load(64)


def test_the_answer_is_the_word_backwards(task):
  batch, _ = task.batch((), jnp.int32(0), jax.random.key(0))
  inputs, (tokens, weights) = batch
  lengths = np.asarray(inputs.source_mask.sum(1))
  assert set(lengths) == {1, 2, 3, 4, 5}
  for row, n in enumerate(lengths):
    word = text(inputs.source[row, :n])
    assert not inputs.source[row, n:].any()
    assert text(tokens[row, :n]) == word[::-1]
    assert not tokens[row, n:].any()
    assert text(inputs.before[row, 1 : n + 1]) == word[::-1]
    assert inputs.before[row, 0] == 0
    said = np.arange(6) <= n  # the end is said as well
    np.testing.assert_array_equal(inputs.before_mask[row], said)
    np.testing.assert_array_equal(weights[row], said)
  other, _ = task.batch((), jnp.int32(1), jax.random.key(0))
  assert (other.inputs.source != inputs.source).any()


def test_a_split_has_its_words_once_whatever_the_rows(task):
  def words(rows):
    window, data, windows = task.evaluation("valid", rows)
    found = []
    for index in range(windows):
      batch, _ = window(data, jnp.int32(index))
      asked = np.asarray(batch.targets.weights[:, 0]) > 0
      found += np.asarray(batch.inputs.source)[asked].tolist()
    return found

  assert len(words(8)) == 20 and words(8) == words(3)


def test_whole_words_are_judged(task):
  window, data, _ = task.evaluation("valid", 32)  # 20 of these rows are asked
  batch, _ = jax.device_get(window(data, jnp.int32(0)))
  symbols = batch.targets.tokens[:, None, :-1].copy()
  lengths = batch.inputs.source_mask.sum(1)[:, None]
  scores = np.zeros((32, 1), np.float32)
  counts = task.judge(Prediction(symbols, lengths, scores), batch)
  assert (counts["exact"], counts["judged"]) == (20, 20)
  symbols[3, 0, 0] = 1 + symbols[3, 0, 0] % 10  # one letter is wrong
  symbols[25] = 9  # a row that is not asked
  counts = task.judge(Prediction(symbols, lengths, scores), batch)
  assert (counts["exact"], counts["judged"]) == (19, 20)


@pytest.mark.parametrize("line", ["", "abz", "ab c", "abcdea", "AB"])
def test_a_line_that_is_no_word_is_named(line):
  config = ReversedPairsConfig(longest=5)
  message = "line 2: .* must be 1 to 5 of the letters abcdefghij"
  with pytest.raises(DataError, match=message):
    config.request(["abc", line], {})


def test_a_request_is_what_a_batch_has(task):
  pair = task.config.request(["abc", "jihgf"], {})
  assert [text(row[row > 0]) for row in pair.source] == ["abc", "jihgf"]
  np.testing.assert_array_equal(pair.source_mask.sum(1), [3, 5])
  np.testing.assert_array_equal(pair.before, [[0], [0]])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  config = reversed_pairs.get_config("tiny")
  config.run.tensorboard = False
  workdir = tmp_path_factory.mktemp("pairs") / "run"
  assert train(validate(config), str(workdir)) == 0
  return workdir


@pytest.mark.slow
def test_answers_come_in_the_order_of_the_lines(run, tmp_path, capsys):
  asked = ["abcde", "j", "hhg", "abcde"]
  lines = tmp_path / "lines.txt"
  lines.write_text("".join(line + "\n" for line in asked))
  capsys.readouterr()

  def answers(*words):
    words = (f"--workdir={run}", "--search.name=beam", *words)
    return run_main(generate, capsys, *words).splitlines()

  found = answers(f"--input={lines}", "--search.best=2")
  assert len(found) == 2 * len(asked)
  pairs = [line.split("\t") for line in found]
  scores = np.array([float(score) for score, _ in pairs]).reshape(-1, 2)
  assert (scores[:, 0] >= scores[:, 1]).all()
  assert pairs[:2] == pairs[-2:]  # the same word
  best = answers(f"--input={lines}")
  assert best == [answer for _, answer in pairs[::2]]
  assert [answers(f"--prompt={line}")[0] for line in asked[:3]] == best[:3]


@pytest.mark.slow
def test_predictions_are_a_line_a_word(run, tmp_path, capsys):
  file = tmp_path / "said.jsonl"
  capsys.readouterr()
  run_main(evaluate, capsys, f"--workdir={run}", f"--predictions={file}")
  rows = [json.loads(line) for line in file.read_text().splitlines()]
  assert len(rows) == 16
  assert all(row["target"] == row["source"][::-1] for row in rows)
  assert all(set(row) == {"source", "predicted", "target"} for row in rows)
