"""Vocabularies, corpora and streams."""

import hashlib
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.data import stdlib
from lstm_jax.data.streams import (
  TrainingWindows,
  cut_tokens,
  evaluation_streams,
)
from lstm_jax.data.text import read_corpus, read_text_file
from lstm_jax.data.vocabulary import CharVocabulary
from lstm_jax.errors import DataError


def place(name: str) -> float:
  digest = hashlib.sha256(name.encode()).digest()
  return int.from_bytes(digest[:8]) / 2**64


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_vocabulary_round_trip(text):
  vocabulary = CharVocabulary.from_text(text)
  symbols = vocabulary.encode(text)
  assert vocabulary.decode(symbols) == text
  assert len(vocabulary) == len(set(text)) + 1
  assert symbols.min() >= 1 and symbols.max() < len(vocabulary)


def test_unknown_characters():
  vocabulary = CharVocabulary.from_text("banana")
  assert vocabulary.encode("bänz").tolist() == [2, 0, 3, 0]
  assert vocabulary.decode([2, 0]) == "b\ufffd"
  assert vocabulary.unknown("bänz") == ["z", "ä"]
  with pytest.raises(ValueError, match="code point order"):
    CharVocabulary("ba")


@pytest.fixture
def library(tmp_path) -> pathlib.Path:
  """A folder that looks like a standard library."""
  for number in range(200):
    (tmp_path / f"module{number}.py").write_text(f"number = {number}\n")
  for name in ("test/test_x.py", "encodings/table.py", "_sysconfigdata_y.py"):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("LEFT OUT\n")
  (tmp_path / "old.py").write_bytes(b"# caf\xe9\n")
  (tmp_path / "notes.txt").write_text("LEFT OUT\n")
  return tmp_path


def test_stdlib_splits_follow_the_hash(library):
  texts = stdlib.read_stdlib(library)
  names = sorted((f"module{n}.py" for n in range(200)), key=place)
  for split, low, high in (
    ("train", 0.0, 0.90),
    ("valid", 0.90, 0.95),
    ("test", 0.95, 1.0),
  ):
    assert texts[split] == "".join(
      (library / name).read_text()
      for name in names
      if low <= place(name) < high
    )
  assert "LEFT OUT" not in "".join(texts.values())


def test_a_missing_file_moves_no_other(library):
  before = stdlib.read_stdlib(library)
  (library / "module7.py").unlink()
  after = stdlib.read_stdlib(library)
  for split in before:
    assert after[split] == before[split].replace("number = 7\n", "")


def test_a_library_without_source(tmp_path):
  with pytest.raises(DataError, match="without the source of its library"):
    stdlib.read_stdlib(tmp_path)


def test_this_python_has_a_corpus():
  corpus = read_corpus("stdlib")
  assert len(corpus.texts["train"]) > 5_000_000
  assert min(map(len, corpus.texts.values())) > 100_000
  assert read_corpus("stdlib").digest == corpus.digest
  documentation = read_corpus("docstrings")
  assert min(map(len, documentation.texts.values())) > 20_000
  assert documentation.source.startswith("documentation strings of the stand")


def test_a_file_is_cut_90_5_5(tmp_path):
  path = tmp_path / "text.txt"
  path.write_bytes("".join(map(str, range(10))).encode() * 10 + b"\r\n" * 50)
  corpus = read_corpus(str(path))
  assert [len(corpus.texts[s]) for s in ("train", "valid", "test")] == [
    135,
    7,
    8,
  ]
  assert corpus.texts["test"] == "\n" * 8


def test_a_folder_has_its_splits(tmp_path):
  for split in ("train", "valid", "test"):
    (tmp_path / f"{split}.txt").write_text(split)
  corpus = read_corpus(str(tmp_path))
  assert corpus.texts == {s: s for s in ("train", "valid", "test")}
  (tmp_path / "valid.txt").write_text("other")
  assert read_corpus(str(tmp_path)).digest != corpus.digest
  (tmp_path / "valid.txt").unlink()
  with pytest.raises(DataError, match="no file ends in valid.txt"):
    read_corpus(str(tmp_path))


def test_unreadable_texts(tmp_path):
  with pytest.raises(DataError, match="nowhere: no such file"):
    read_text_file(tmp_path / "nowhere")
  (tmp_path / "empty").write_text("")
  with pytest.raises(DataError, match="empty: the file is empty"):
    read_text_file(tmp_path / "empty")
  (tmp_path / "latin").write_bytes(b"caf\xe9 au lait")
  with pytest.raises(DataError, match="not UTF-8: byte 0xe9 at offset 3"):
    read_text_file(tmp_path / "latin")
  with pytest.raises(DataError, match="cannot be read: Is a directory"):
    read_text_file(tmp_path)


def test_training_windows_are_contiguous():
  tokens = np.arange(100, dtype=np.uint8)
  streams = TrainingWindows(tokens, batch=3, window=8).at(0, 1)
  assert streams.inputs.shape == (3, 32)  # 33 a row, whole windows of 8
  np.testing.assert_array_equal(streams.inputs[:, 0], [0, 33, 66])
  np.testing.assert_array_equal(streams.targets, streams.inputs + 1)
  inputs, targets = cut_tokens(streams, streams.places[1], 8)
  np.testing.assert_array_equal(inputs, streams.inputs[:, 8:16])
  np.testing.assert_array_equal(targets, streams.targets[:, 8:16])
  with pytest.raises(ValueError, match="fewer than one batch of windows"):
    TrainingWindows(tokens, batch=10, window=10)


@given(st.integers(2, 200), st.integers(1, 9), st.integers(1, 20))
def test_evaluation_counts_every_token_once(length, batch, window):
  tokens = np.arange(1, length + 1, dtype=np.int32)
  inputs, targets, weights = evaluation_streams(tokens, batch, window)
  assert inputs.shape[1] % window == 0
  np.testing.assert_array_equal(np.sort(targets[weights == 1]), tokens[1:])
  np.testing.assert_array_equal(targets[weights == 1], inputs[weights == 1] + 1)
