"""Words: vocabulary, corpora with prefixed names and in zip files, the task."""

import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import run_main
from hypothesis import given
from hypothesis import strategies as st

from configs import word_lm, zaremba_2014
from experiments import evaluate, generate, train
from lstm_jax.config import validate
from lstm_jax.data import text
from lstm_jax.data.text import read_corpus
from lstm_jax.data.vocabulary import CharVocabulary, restore
from lstm_jax.data.words import GLUE, WordSplit, WordVocabulary
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.models.base import parameter_count
from lstm_jax.run.load import load_run
from lstm_jax.tasks.base import Spec
from lstm_jax.tasks.text_config import WordLMConfig
from lstm_jax.training.optimizers import make_schedule
from lstm_jax.training.state import make_model

TEXTS = {
  "train": " the cat saw the <unk> \n the dog sat \n\n" * 30,
  "valid": " the bird sat \n",
  "test": "a cat sat\n",
}


def write(folder, before="ptb."):
  for split, words in TEXTS.items():
    (folder / f"{before}{split}.txt").write_text(words)
  return folder


def test_words_are_counted_as_in_the_papers():
  """Every line end is a token, that of an empty line too."""
  words = " a b <unk> \n\n b c"
  assert WordSplit().split(words) == (
    ["a", "b", "<unk>", "<eos>", "<eos>", "b", "c"]
  )
  vocabulary = WordVocabulary.from_text(words)
  assert vocabulary.symbols == ["<eos>", "b", "<unk>", "a", "c"]
  assert vocabulary.encode("c x\n").tolist() == [4, 2, 0]
  assert vocabulary.unknown("c x y\n") == ["x", "y"]
  assert vocabulary.decode([3, 4, 0, 1]) == "a c \nb "


def test_unknown_words_have_a_number_even_where_there_were_none():
  vocabulary = WordVocabulary.from_text("b a b\n")
  assert vocabulary.symbols == ["b", "<eos>", "a", "<unk>"]
  assert vocabulary.encode("z").tolist() == [vocabulary.unknown_symbol]


@given(st.text("ab \n", min_size=1))
def test_words_come_back(words):
  vocabulary = WordVocabulary.from_text(words)
  again = vocabulary.decode(vocabulary.encode(words))
  assert again.split() == words.split()
  assert again.count("\n") == words.count("\n")


def test_a_vocabulary_is_restored_from_its_symbols():
  for vocabulary in (
    CharVocabulary.from_text("banana"),
    WordVocabulary.from_text("one two\n"),
  ):
    again = restore(json.loads(json.dumps(vocabulary.symbols)))
    assert type(again) is type(vocabulary)
    assert again.symbols == vocabulary.symbols
  for wrong in (["a", "a", "<unk>"], ["a"], [1], {"a": 1}, None):
    with pytest.raises(ValueError):
      restore(wrong)


def test_a_folder_and_a_zip_file_are_the_same_corpus(tmp_path):
  folder = write(tmp_path)
  with zipfile.ZipFile(tmp_path / "ptb.zip", "w") as archive:
    for file in folder.glob("*.txt"):
      archive.write(file, f"simple/{file.name}")
  texts = read_corpus(str(folder)).texts
  assert texts == read_corpus(str(folder / "ptb.zip")).texts == TEXTS


def test_what_is_wrong_with_a_zip_file(tmp_path, monkeypatch):
  def message(name):
    with pytest.raises(DataError) as error:
      read_corpus(str(tmp_path / name))
    return str(error.value)

  assert "no such file" in message("none.zip")
  (tmp_path / "text.zip").write_text("no archive")
  assert "not a zip file" in message("text.zip")
  with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
    archive.writestr("train.txt", "a")
    archive.writestr("x.valid.txt", "a")
    archive.writestr("y.valid.txt", "a")
  assert "x.valid.txt, y.valid.txt all end in valid.txt" in message("a.zip")
  monkeypatch.setattr(text, "_LARGEST", 1000)
  with zipfile.ZipFile(tmp_path / "big.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for split in TEXTS:
      z.writestr(f"{split}.txt", "a" * 400)
  assert "bytes unpacked; unpack it first" in message("big.zip")
  data = bytearray((tmp_path / "a.zip").read_bytes())
  data[30] ^= 255
  (tmp_path / "bad.zip").write_bytes(data)
  assert message("bad.zip")


def test_the_stream_is_the_text(tmp_path):
  task = WordLMConfig(corpus=str(write(tmp_path)), window=5).load(2)
  symbols = task.vocabulary.encode(TEXTS["train"])
  data = jax.device_put(task.source.at(0, 1))
  rows = [[], []]
  for step in range(task.steps_per_epoch):
    batch, controls = task.batch(data, jnp.int32(step), jax.random.key(0))
    assert bool(controls.restart) == (step == 0)
    for row, inputs in zip(rows, batch.inputs.x, strict=True):
      row.extend(np.asarray(inputs).tolist())
  length = (len(symbols) - 1) // 2
  assert rows[0] == symbols[: len(rows[0])].tolist()
  assert rows[1] == symbols[length : length + len(rows[1])].tolist()
  assert task.record["tokens"]["valid"] == 4
  assert task.record["unknown_tokens"] == {"train": 30, "valid": 1, "test": 1}


@pytest.mark.parametrize(
  "variant, parameters, rates",
  [
    ("small", 4_651_600, {3: 1, 4: 1 / 2, 12: 2.0**-9}),
    ("medium", 19_775_200, {5: 1, 6: 1 / 1.2, 38: 1.2**-33}),
    ("large", 66_022_000, {13: 1, 14: 1 / 1.15, 54: 1.15**-41}),
  ],
)
def test_zaremba(variant, parameters, rates):
  config = validate(zaremba_2014.get_config(variant))
  shapes = jax.eval_shape(
    lambda: make_model(
      lambda rngs: config.model.build(Spec("text", 10_000, 10_000), rngs), 0
    )[1]
  )
  assert parameter_count(shapes) == parameters
  # (929,589 / 20 tokens a stream) in windows
  epoch = 929_589 // 20 // config.task.window
  assert config.train.steps % epoch == 0
  schedule = make_schedule(config.optimizer, config.train.steps, epoch)
  for number, rate in rates.items():
    for step in (number * epoch, (number + 1) * epoch - 1):
      assert schedule(step) == pytest.approx(rate * config.task.window)


def test_parameters_are_drawn_from_one_range():
  config = zaremba_2014.get_config("tiny")
  _, params = make_model(
    lambda rngs: config.model.build(Spec("text", 500, 500), rngs), 0
  )
  for leaf in jax.tree.leaves(params):
    assert 0.08 < abs(np.asarray(leaf)).max() <= 0.1
    assert abs(float(leaf.mean())) < 0.05


@pytest.mark.parametrize(
  "cell, name, value",
  [
    ("lstm", "forget_bias", 2.0),
    ("lstm", "chrono", 50.0),
    ("rnn", "identity", True),
    ("lstm_1997", "init_scale", 0.2),
    ("lstm_1997", "input_gate_biases", (-1.0,)),
    ("lstm_1997", "output_gate_biases", (-1.0,)),
  ],
)
def test_no_option_sets_what_that_range_draws(cell, name, value):
  config = zaremba_2014.get_config("tiny")
  config.model.cell = cell
  setattr(config.model.options, name, value)
  with pytest.raises(ConfigError, match=f"{name}: model.init_scale draws"):
    validate(config)


def test_a_tiny_run(tmp_path, capsys, monkeypatch):
  config = zaremba_2014.get_config("tiny")
  config.task.corpus = str(write(tmp_path))
  config.train.steps = config.train.validate_every = 20
  path = tmp_path / "run"
  assert train.train(config, str(path)) == 0
  out = capsys.readouterr().out
  assert "a sample of 50 tokens" in out and "perplexity" in out
  assert "valid: 25.0 % unknown words\n" in out
  line = json.loads((path / "metrics.jsonl").read_text().splitlines()[-1])
  assert np.log(line["valid/perplexity"]) == (
    pytest.approx(line["valid/nats_per_word"], rel=1e-5)
  )
  workdir = f"--workdir={path}"
  out = run_main(evaluate, capsys, workdir, "--split=test")
  assert "tokens: 3\n" in out and "perplexity: " in out
  (tmp_path / "text").write_text("the cat\n")
  score = f"--score={tmp_path / 'text'}"
  lines = run_main(evaluate, capsys, workdir, score).splitlines()
  assert [row.split("\t")[1] for row in lines[:3]] == (
    ['"the"', '"cat"', '"<eos>"']
  )
  assert "<unk>" not in (
    run_main(generate, capsys, workdir, "--prompt=the", "--length=40")
  )
  (tmp_path / "text").write_bytes(b"\xef\xbb\xbfthe cat\r")
  assert run_main(evaluate, capsys, workdir, score).splitlines() == lines
  many = " ".join(f"w{number}" for number in range(50_000))
  (tmp_path / "text").write_text(many)
  monkeypatch.setattr(
    evaluate, "score_text", lambda run, text: np.ones(text.count(" ") + 1)
  )
  assert "unknown tokens: 50,000" in run_main(evaluate, capsys, workdir, score)
  (tmp_path / "text").write_text("  ")
  monkeypatch.undo()
  for command, word in ((generate, "--prompt= "), (evaluate, score)):
    with pytest.raises(DataError, match="no word in it"):
      command.main(["x", workdir, word])


def test_a_run_of_own_words(tmp_path, capsys):
  """Its vocabulary is kept with how it splits words, and is another run's."""
  (tmp_path / "text").write_text("Rare one, (two) words. It's three!\n" * 90)
  config = word_lm.get_config("tiny")
  config.task.corpus, config.task.lower = str(tmp_path / "text"), True
  config.task.vocabulary_size = 9
  config.train.steps = config.train.validate_every = 10
  path = tmp_path / "run"
  assert train.train(validate(config), str(path)) == 0
  assert train.train(config, str(path), extend_to=20) == 0
  out = capsys.readouterr().out
  assert "% unknown words\n" in out and "going on from step 10" in out
  run = load_run(path)
  assert len(run.vocabulary) == 9
  assert run.vocabulary.split("A, b") == ["a", f"{GLUE},", "b"]
  workdir = f"--workdir={path}"
  assert "tokens: " in run_main(evaluate, capsys, workdir, "--split=test")
  text = run_main(generate, capsys, workdir, "--prompt=Rare", "--length=60")
  assert text.startswith("Rare") and GLUE not in text and " ," not in text
  config.train.init_from, config.task.vocabulary_size = str(path), 0
  assert train.train(validate(config), str(tmp_path / "next")) == 0
  vocabulary = load_run(tmp_path / "next").vocabulary
  assert vocabulary.symbols == run.vocabulary.symbols
