"""Language models of bytes."""

import json

import numpy as np
import pytest
from helpers import run_main
from hypothesis import given
from hypothesis import strategies as st

from configs import char_lm
from experiments import evaluate, generate, report, train
from lstm_jax.data.text import read_corpus
from lstm_jax.data.vocabulary import ByteVocabulary, restore
from lstm_jax.errors import DataError
from lstm_jax.tasks.text_config import ByteLMConfig


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_bytes_come_back(text):
  vocabulary = ByteVocabulary.from_text(text)
  symbols = vocabulary.encode(text)
  assert len(symbols) == len(text.encode()) == len(vocabulary.split(text))
  assert vocabulary.decode(symbols) == text
  assert len(vocabulary) == len(set(text.encode())) + 1
  again = restore(json.loads(json.dumps(vocabulary.symbols)))
  np.testing.assert_array_equal(again.encode(text), symbols)


def test_unknown_bytes():
  vocabulary = ByteVocabulary.from_text("banana")
  assert vocabulary.encode("bé").tolist() == [2, 0, 0]
  assert vocabulary.unknown("bé") == ["\\xa9", "\\xc3"]
  assert vocabulary.decode([2, 0]) == "b\ufffd"
  for wrong in ({"bytes": [2, 1]}, {"bytes": ["a"]}, {"bytes": [300]}):
    with pytest.raises(ValueError):
      restore(wrong)


def test_a_file_is_cut_by_its_bytes(tmp_path):
  path = tmp_path / "enwik"
  path.write_bytes(bytes(range(200)) * 10)  # no UTF-8
  texts = read_corpus(str(path), as_bytes=True).texts
  assert [len(texts[s]) for s in ("train", "valid", "test")] == [1800, 100, 100]
  assert texts["train"] + texts["valid"] + texts["test"] == path.read_bytes()
  task = ByteLMConfig(corpus=str(path), window=8).load(2)
  assert task.record["vocabulary_size"] == 201


def test_a_tiny_run(tmp_path, capsys, monkeypatch):
  config = char_lm.get_config("tiny")
  (tmp_path / "corpus").write_text("é a " * 200)  # without a line end
  config.task = ByteLMConfig(corpus=str(tmp_path / "corpus"), window=8)
  config.train.steps = config.train.validate_every = 10
  config.run.sample_length = 10
  prompts = []

  def sample(model, prompt, *arguments, **options):
    """Blocks between which a character is cut."""
    prompts.append(prompt.tolist())
    return iter(ByteVocabulary(b" a\xa9\xc3").encode("aé")[:, None])

  for module in (report, generate):
    monkeypatch.setattr(module, "generate", sample)
  path = str(tmp_path / "run")
  assert train.train(train.Plan(config, path)) == 0
  out = capsys.readouterr().out
  assert "bits/char" in out and out.endswith("a sample of 3 characters:\naé\n")
  assert run_main(generate, capsys, f"--workdir={path}") == "aé\n"
  run_main(generate, capsys, f"--workdir={path}", "--prompt=aé")
  assert prompts == [[1], [1], [2, 4, 3]]
  with pytest.raises(DataError, match=r"lacks '\\\\xff'"):  # no UTF-8
    generate.main(["x", f"--workdir={path}", "--prompt=\udcff"])
  (tmp_path / "text").write_text("é\n")
  score = f"--score={tmp_path / 'text'}"
  out = run_main(evaluate, capsys, f"--workdir={path}", score)
  assert '"\\\\xc3"' in out and "characters: 3" in out
  (tmp_path / "text").write_bytes(b"\xef\xbb\xbf\xff\r\n")  # as they are
  out = run_main(evaluate, capsys, f"--workdir={path}", score)
  assert "unknown characters: 6" in out and "\ncharacters: 6" in out
