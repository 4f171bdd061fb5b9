"""Vocabularies of a limited size, and words apart from punctuation."""

import functools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import zaremba_2014
from experiments import plan
from experiments.command_line import parse_config
from lstm_jax.config import Config
from lstm_jax.data import prepared
from lstm_jax.data.vocabulary import (
  ByteVocabulary,
  CharVocabulary,
  decode_blocks,
  restore,
  visible,
)
from lstm_jax.data.words import GLUE, WordSplit, WordVocabulary
from lstm_jax.errors import ConfigError
from lstm_jax.tasks.text_config import ByteLMConfig, CharLMConfig, WordLMConfig

TEXT = "b b b a a c c d\n"
APART = WordSplit(punctuation=True)


@pytest.mark.parametrize(
  "size, min_count, words, unknown",
  [
    (0, 1, ["b", "a", "c", "<eos>", "d", "<unk>"], 0),
    (0, 2, ["b", "a", "c", "<eos>", "<unk>"], 1),
    (0, 3, ["<unk>", "b", "<eos>"], 5),
    (4, 1, ["<unk>", "b", "a", "<eos>"], 3),  # a before c
    (4, 3, ["<unk>", "b", "<eos>"], 5),
    (2, 1, ["<unk>", "<eos>"], 8),
    (99, 1, ["b", "a", "c", "<eos>", "d", "<unk>"], 0),
  ],
)
def test_rare_words_are_unknown(size, min_count, words, unknown):
  made = WordVocabulary.from_pieces([TEXT[:6], TEXT[6:]], size, min_count)
  assert made.symbols == words
  symbols = made.encode(TEXT)
  assert (symbols == made.unknown_symbol).sum() == unknown
  assert size == 0 or len(made) <= size


def test_an_unknown_word_of_the_text_stays():
  made = WordVocabulary.from_pieces(["a a <unk> b c"], size=2)
  assert made.symbols == ["<unk>", "a"]  # three of them


def test_rare_characters_and_bytes_are_unknown():
  text = "aaabbcé"
  for kind in (CharVocabulary, ByteVocabulary):
    for options in ({"min_count": 2}, {"size": 3}):
      made = kind.from_pieces([text], **options)
      assert made.encode("ab").tolist() == [1, 2]
      assert not made.encode("cé").any()
      assert len(made) == 3
  assert CharVocabulary.from_pieces(["ba"], size=2).symbols == "a"


@pytest.mark.parametrize("kind", [CharLMConfig, ByteLMConfig, WordLMConfig])
def test_a_task_with_a_small_vocabulary(tmp_path, kind):
  path = tmp_path / "text"
  path.write_text("c d e f \n" * 7 + "a a a a b b \n" * 60)
  options = {"corpus": str(path), "window": 4}
  whole = kind(**options).load(2)
  small = kind(**options, vocabulary_size=4).load(2)
  assert small.record["vocabulary_size"] == 4
  token = f"unknown_{small.token}s"
  assert not whole.record[token]["train"] and small.record[token]["train"]
  again = kind(**options, vocabulary_size=4).load(2, small.assets())
  assert again.record == small.record
  kept = kind(**options, vocabulary_size=3, min_count=9).load(
    2, json.loads(json.dumps(whole.assets()))
  )
  assert kept.record == whole.record  # as with train.init_from
  with pytest.raises(ConfigError, match="task.vocabulary_size: 1 is the"):
    kind(vocabulary_size=1).check()


def test_punctuation_is_set_apart():
  text = "It's (nearly) f(x), <unk> os.path: a_b -- don't 'go'!\nThe ende.\n"
  words = APART.split(text)
  assert words == (
    f"It's ({GLUE} nearly {GLUE}) f {GLUE}({GLUE} x {GLUE}) {GLUE}, <unk>"
    f" os {GLUE}.{GLUE} path {GLUE}: a_b - {GLUE}- don't '{GLUE} go"
    f" {GLUE}' {GLUE}! <eos> The ende {GLUE}. <eos>"
  ).split(" ")
  lower = WordSplit(lower=True, punctuation=True).split(text)
  assert lower == [word.lower() for word in words]
  assert APART.split("हिन्दी।") == ["हिन्दी", f"{GLUE}।"]
  assert APART.split(f"a{GLUE}b") == ["a", "b"]


@pytest.mark.parametrize("kind", [CharLMConfig, ByteLMConfig, WordLMConfig])
def test_a_small_vocabulary_of_a_text_on_disk(tmp_path, monkeypatch, kind):
  """A prepared corpus, as it is read and as it is streamed."""
  text = [b"c d e (f) \n" * 7, "a a a a b b é,\r\n".encode() * 60]
  prepared.write_prepared(
    "x", tmp_path, dict.fromkeys(prepared.SPLITS, lambda: text)
  )
  small = functools.partial(prepared.pieces, piece=77)
  monkeypatch.setattr(prepared, "pieces", small)
  options = {"corpus": f"tfds:{tmp_path}/x", "window": 4, "vocabulary_size": 5}
  if kind is WordLMConfig:
    options |= {"split_punctuation": True, "min_count": 8}
  memory = kind(**options).load(2)
  disk = kind(**options, stream=True).load(2)
  assert disk.record == memory.record
  assert disk.vocabulary.symbols == memory.vocabulary.symbols
  assert memory.record["vocabulary_size"] == 5
  data = disk.source.at(0, 3)
  assert memory.record[f"unknown_{memory.token}s"]["train"]
  np.testing.assert_array_equal(
    data.inputs, memory.source.at(0, 1).inputs[:, :12]
  )


def said(config: Config) -> str:
  return plan._unknown(config, config.task.load(2))


def test_unknown_words_are_said(tmp_path):
  train = "a b c d " * 100
  for split, text in (("train", train), ("valid", "a b c x "), ("test", "a a")):
    (tmp_path / f"{split}.txt").write_text(text * 10)
  config = zaremba_2014.get_config("tiny")
  config.task = WordLMConfig(corpus=str(tmp_path), window=4)
  assert said(config).startswith("\nvalid: 25.0 % unknown words, none in train")
  assert "--config.task.min_count=2" in said(config)
  config.task.vocabulary_size = 4
  assert said(config) == "\nvalid: 25.0 % unknown words"
  config.train.init_from = "a run"
  assert said(config) == (
    "\nvalid: 25.0 % unknown words, train: 25.0 %; its vocabulary is another"
    " run's"
  )
  config.train.init_from, config.task.vocabulary_size = "", 0
  (tmp_path / "valid.txt").write_text("a b c " * 1000 + "x")
  assert said(config) == "\nvalid: 0.03 % unknown words"
  (tmp_path / "valid.txt").write_text("a b c ")
  assert said(config) == ""
  config.task = CharLMConfig(corpus=str(tmp_path), window=4)
  (tmp_path / "valid.txt").write_text("a b\n")
  assert said(config).startswith("\nvalid: 25.0 % unknown characters, none")


def test_fields_that_the_vocabulary_of_another_run_does_not_read():
  command = ["train", "--config=configs/char_lm.py:tiny"]
  field = "--config.task.min_count=2"
  assert parse_config([*command, field]).task.min_count == 2
  with pytest.raises(ConfigError, match="task.min_count: the vocabulary is"):
    parse_config([*command, field, "--config.train.init_from=x"])


def test_control_characters_are_shown_as_signs():
  assert visible("a\tb\r\nc\rd\x1b[2J\x85\n") == "a\tb\nc␍d␛[2J\ufffd\n"


PIECES = st.sampled_from(["a", "b'", " ", ".", "(", "\n", "é\u0301", "'", "_"])


@given(st.lists(PIECES).map("".join))
def test_text_comes_back_out_of_words(text):
  """To the white space, of which there is one between two words."""
  made = WordVocabulary.from_pieces([text], split=APART)
  symbols = made.encode(text)
  expected = "\n".join(" ".join(line.split()) for line in text.split("\n"))
  lines = made.decode(symbols).split("\n")
  assert "\n".join(line.strip() for line in lines) == expected
  for size in (1, 2, 5):
    blocks = np.split(symbols, range(size, len(symbols), size))
    assert "".join(decode_blocks(made, blocks)) == made.decode(symbols)


def test_a_comma_goes_to_the_word_before_it():
  made = WordVocabulary.from_pieces(["a (b), c"], split=APART)
  blocks = made.encode("a (b), c")[:, None]
  assert list(decode_blocks(made, blocks)) == (
    ["a", " (", "b", ")", ",", " c", " "]
  )
  after = "".join(decode_blocks(made, made.encode("a (b), c")[3:, None], " "))
  assert f"b{after}" == "b), c "


def test_a_vocabulary_keeps_how_words_are_split():
  for split in (WordSplit(), APART, WordSplit(lower=True)):
    made = WordVocabulary.from_pieces(["A, b"], split=split)
    again = restore(json.loads(json.dumps(made.symbols)))
    assert again.symbols == made.symbols
    assert again.split("A, b") == split.split("A, b")
  assert isinstance(WordVocabulary.from_text("a").symbols, list)
  for wrong in ({"words": 3}, {"words": ["<unk>"], "upper": True}):
    with pytest.raises(ValueError):
      restore(wrong)
