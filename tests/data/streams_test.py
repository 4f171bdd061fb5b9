"""Windows that are read from disk, and pieces of files."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.data.corpus_tokens import count_symbol
from lstm_jax.data.source import Memory, Placed
from lstm_jax.data.source_files import (
  choose_files,
  open_source,
  pieces,
  plain_text,
)
from lstm_jax.data.streams import TrainingWindows, cut_tokens, longest_window
from lstm_jax.data.vocabulary import CharVocabulary
from lstm_jax.data.words import WordSplit
from lstm_jax.errors import DataError


def test_the_windows_are_those_of_the_text(tmp_path):
  tokens = np.random.default_rng(0).integers(0, 99, 1003).astype(np.uint8)
  tokens.tofile(tmp_path / "tokens")
  mapped = np.memmap(tmp_path / "tokens", np.uint8, mode="r")
  disk = TrainingWindows(mapped, 4, 8, on_disk=True)
  memory = TrainingWindows(tokens, 4, 8)
  epoch = 250 // 8  # 250 tokens a stream
  assert disk.per_epoch == memory.per_epoch == epoch
  assert memory.at(0, 3) is memory.at(5, 3)
  for step in (0, 1, epoch - 1, 3 * epoch + 2):  # the second last wraps
    for data in (disk.at(step, 3), memory.at(step, 3)):
      assert data.lengths is None
      for number in range(3):
        place = (step + number - data.first) % len(data.starts)
        start = 8 * ((step + number) % epoch)
        assert data.starts[place] == start
        inputs, targets = cut_tokens(data, data.places[place], 8)
        for row in range(4):
          at = 250 * row + start
          np.testing.assert_array_equal(inputs[row], tokens[at : at + 8])
          np.testing.assert_array_equal(targets[row], tokens[at + 1 : at + 9])
  assert disk.at(4, 3).inputs.shape == (4, 24)
  assert count_symbol(mapped, 7) == (tokens == 7).sum()
  for on_disk in (False, True):
    with pytest.raises(ValueError, match="fewer than one batch"):
      TrainingWindows(mapped, 500, 8, on_disk=on_disk)


def test_random_windows_on_disk_are_those_of_memory():
  """To the padding at the end of the streams."""
  tokens = np.random.default_rng(0).integers(1, 99, 203).astype(np.uint8)
  disk = TrainingWindows(tokens, 4, 8, 2.0, on_disk=True)
  source = TrainingWindows(tokens, 4, 8, 2.0)
  memory = source.at(0, 1)
  count, longest = len(memory.starts), longest_window(8, 2.0)
  assert disk.per_epoch == source.per_epoch
  assert disk.mean_length == memory.lengths.mean()
  ends = 0
  for step in range(0, count + 3, 3):  # the last wraps
    data = disk.at(step, 3)
    for place in range(3):
      number = (step + place) % count
      start, length = memory.starts[number], memory.lengths[number]
      assert (data.starts[place], data.lengths[place]) == (start, length)
      ends += start + longest > 50
      for name in ("inputs", "targets"):
        np.testing.assert_array_equal(
          getattr(data, name)[:, longest * place :][:, :longest],
          getattr(memory, name)[:, start : start + longest],
        )
  assert ends > 16
  with pytest.raises(ValueError, match="too few for 500 streams"):
    TrainingWindows(tokens, 500, 8, 2.0)


def test_what_stays_the_same_is_placed_once():
  put = []

  def place(tree):
    put.append(tree)
    return len(put)

  tokens = np.arange(200, dtype=np.uint8)
  memory = Placed(TrainingWindows(tokens, 2, 5), place)
  assert [memory.at(step, 2) for step in (0, 2, 4)] == [1, 1, 1]
  disk = Placed(TrainingWindows(tokens, 2, 5, on_disk=True), place)
  assert [disk.at(step, 2) for step in (0, 2, 4)] == [2, 3, 4]
  assert [int(windows.first) for windows in put] == [0, 0, 2, 4]
  # Nothing is given where sequences are drawn, and that once too.
  drawn = Placed(Memory(()), place)
  assert drawn.at(0, 1) == drawn.at(1, 1) == 5


def cut(data: bytes, size: int) -> list[str]:
  return [p.decode() for p in pieces(io.BytesIO(data), len(data), size)]


@given(st.text("aé\U0001f600", min_size=1), st.integers(1, 9))
def test_pieces_can_be_decoded(text, size):
  parts = cut(text.encode(), size)
  assert "".join(parts) == text
  assert CharVocabulary.from_pieces(parts).symbols == (
    CharVocabulary.from_text(text).symbols
  )


WORDS = ["a ", "é\n", "\U0001f600b ", "\n", " ", "b\t", "c\r\n", "d\u3000"]


@given(st.lists(st.sampled_from(WORDS)), st.integers(8, 20))
def test_no_word_lies_in_two_pieces(words, size):
  text = "".join(words)
  parts = cut(text.encode(), size)
  assert "".join(parts) == text
  split = WordSplit().split
  assert [word for part in parts for word in split(part)] == split(text)


@given(st.text("a\r\n", min_size=1), st.integers(1, 9))
def test_no_line_end_lies_in_two_pieces(text, size):
  data = text.encode()
  parts = pieces(io.BytesIO(data), len(data), size)
  assert "".join(map(plain_text, parts)) == plain_text(data)


def read(file) -> bytes:
  with file.open() as stream:
    return stream.read()


def test_sources_of_every_kind(tmp_path):
  folder = tmp_path / "folder"
  (folder / "data").mkdir(parents=True)
  (folder / "data" / "a.txt").write_text("some text")
  (folder / "b.txt").write_text("other")
  with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
    archive.write(folder / "data" / "a.txt", "data/a.txt")
    archive.write(folder / "b.txt", "b.txt")
  with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
    archive.add(folder, "folder")
  for name in ("folder", "x.zip", "x.tgz"):
    with open_source(str(tmp_path / name)) as files:
      by_name = {file.name: file for file in files}
      (chosen,) = choose_files(by_name, ["a.txt"], name)
      file = by_name[chosen]
      assert file.size == 9 and read(file) == b"some text"
      with pytest.raises(DataError, match="no file ends in c.txt"):
        choose_files(by_name, ["c.txt"], name)
  with open_source(str(folder / "b.txt")) as (file,):
    assert read(file) == b"other"
  with pytest.raises(DataError, match="no such file"):
    with open_source(str(tmp_path / "none")):
      pass
  (tmp_path / "x.tgz").write_bytes((tmp_path / "x.tgz").read_bytes()[:-30])
  with pytest.raises(DataError, match="cannot be read"):
    with open_source(str(tmp_path / "x.tgz")) as files:
      list(map(read, files))
