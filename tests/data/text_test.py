"""How texts are read and cut: whole words, line ends, marks, side files."""

import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.data import stdlib
from lstm_jax.data.cuts import whole_cut
from lstm_jax.data.prepared import write_prepared
from lstm_jax.data.source_files import is_beside, open_source
from lstm_jax.data.text import read_corpus, read_text_file
from lstm_jax.errors import DataError
from lstm_jax.tasks.text_config import ByteLMConfig, CharLMConfig, WordLMConfig
from scripts import prepare_data
from scripts.known_corpora import Known

SPLITS = ("train", "valid", "test")
BOM = b"\xef\xbb\xbf"
LINES = b"the cat sat\nthe dog sat\n" * 40
# What is one character to its reader, or one line end.
WHOLE = (
  "e\u0301",  # e, acute accent
  "\u0928\u093f",  # a Devanagari syllable
  "\U0001f44d\U0001f3fd",  # thumb, skin colour
  "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
  "\u2764\ufe0f",  # a heart, as a picture
  "\U0001f1e9\U0001f1f0",  # a flag
  "\u1112\u1161\u11ab",  # parts of a Korean syllable
  "\r\n",
)


def words(path, **options):
  options = {"window": 4} | options
  return WordLMConfig(corpus=str(path), **options).load(2)


def test_a_file_of_words_is_not_cut_inside_a_word(tmp_path):
  path = tmp_path / "text.txt"
  path.write_text("word " * 200 + "end")
  task = words(path)
  assert task.vocabulary.symbols == ["word", "<unk>"]
  assert task.record["unknown_tokens"] == {"train": 0, "valid": 0, "test": 1}
  task = words(path, limit=42)
  assert task.record["tokens"]["train"] == 9
  assert task.vocabulary.symbols == ["word", "<unk>"]


@given(st.text("ab\u3000 \n\t", min_size=1), st.integers(0, 40))
def test_a_cut_keeps_words_whole(text, place):
  cut = whole_cut(text, place, words=True)
  assert text[:cut].split() + text[cut:].split() == text.split()
  shorter = [c for c in range(place, cut) if c < len(text)]
  assert all(
    text[:c].split() + text[c:].split() != text.split() for c in shorter
  )


@pytest.mark.parametrize("one", WHOLE)
def test_a_cut_keeps_characters_whole(one):
  text = f"a{one}b"
  for place in range(1, len(one) + 2):
    assert whole_cut(text, place) in (1, 1 + len(one), len(text))
  assert whole_cut(text, 1) == 1
  assert whole_cut(text, 2) == 1 + len(one)


def test_ordinary_text_is_cut_where_it_always_was(tmp_path):
  path = tmp_path / "text.txt"
  path.write_text("ab cd\n" * 50 + "x")
  for as_bytes in (False, True):
    texts = read_corpus(str(path), as_bytes=as_bytes).texts
    assert [len(texts[split]) for split in SPLITS] == [270, 15, 16]
  assert whole_cut(b"a\r\nb", 2) == 3
  assert whole_cut(b"\xc3\xa9" * 9, 5) == 5  # bytes are bytes


def test_byte_order_marks_are_left_out(tmp_path):
  (tmp_path / "plain.txt").write_bytes(LINES)
  (tmp_path / "marked.txt").write_bytes(BOM + LINES)
  plain, marked = (
    words(tmp_path / f"{name}.txt").record | {"corpus": ""}
    for name in ("plain", "marked")
  )
  assert plain == marked
  assert read_text_file(tmp_path / "marked.txt") == LINES.decode()
  assert read_text_file(tmp_path / "marked.txt", as_bytes=True) == BOM + LINES
  task = ByteLMConfig(corpus=str(tmp_path / "marked.txt"), window=4).load(2)
  assert task.vocabulary.values[-3:] == bytes(sorted(BOM))
  folder = tmp_path / "folder"
  folder.mkdir()
  with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
    for split in SPLITS:
      (folder / f"{split}.txt").write_bytes(BOM + LINES)
      archive.write(folder / f"{split}.txt", f"{split}.txt")
  for corpus in (folder, tmp_path / "x.zip"):
    for text in read_corpus(str(corpus)).texts.values():
      assert text == LINES.decode()
  (tmp_path / "mark").write_bytes(BOM)
  with pytest.raises(DataError, match="the file is empty"):
    read_text_file(tmp_path / "mark")


@pytest.mark.parametrize("end", [b"\r", b"\r\n"])
@pytest.mark.parametrize("kind", [CharLMConfig, WordLMConfig])
def test_line_ends_of_other_systems(tmp_path, kind, end):
  """And the library's own text stays as it is."""
  (tmp_path / "unix").write_bytes(LINES)
  (tmp_path / "other").write_bytes(LINES.replace(b"\n", end))
  unix, other = (
    kind(corpus=str(tmp_path / name), window=4).load(2)
    for name in ("unix", "other")
  )
  assert unix.record | {"corpus": ""} == other.record | {"corpus": ""}
  unix, other = (task.source.at(0, 1) for task in (unix, other))
  np.testing.assert_array_equal(unix.inputs, other.inputs)
  texts = read_corpus(str(tmp_path / "other"), as_bytes=True).texts
  assert b"".join(texts.values()) == LINES.replace(b"\n", end)
  if end == b"\r\n":
    assert not any(text.endswith(b"\r") for text in texts.values())


@pytest.mark.parametrize(
  "space", ["\u2028", "\x0b", "\x0c", "\t", "\x85", "\xa0"]
)
def test_other_white_space_is_between_words_and_ends_no_line(tmp_path, space):
  path = tmp_path / "text"
  path.write_text(f"a{space}b\n" * 50, newline="")
  assert words(path).vocabulary.symbols == ["<eos>", "a", "b", "<unk>"]
  assert f"a{space}b" in read_corpus(str(path)).texts["train"]


def test_a_nul_is_a_character(tmp_path):
  (tmp_path / "text").write_text("a\0b " * 50)
  assert words(tmp_path / "text").vocabulary.symbols == ["a\0b", "<unk>"]


def test_marks_and_line_ends_of_a_prepared_corpus(tmp_path):
  pieces = [BOM + b"a b\r\n", b"c\rd"]
  write_prepared("x", tmp_path, dict.fromkeys(SPLITS, lambda: pieces))
  corpus = f"tfds:{tmp_path}/x"
  assert read_corpus(corpus).texts["train"] == "a b\nc\nd"
  found = read_corpus(corpus, as_bytes=True).texts["train"]
  assert found == BOM + b"a b\r\nc\rd"


def test_a_prepared_text_is_cut_between_words(tmp_path):
  def split(data: bytes) -> list[bytes]:
    (tmp_path / "x").write_bytes(data)
    with open_source(str(tmp_path / "x")) as files:
      parts = prepare_data._parts("text", Known("", ("x",)), files, "x")
    ends = [start + size for _, start, size in parts.values()]
    assert ends[-1] == len(data)
    return [data[: ends[0]], data[ends[0] : ends[1]], data[ends[1] :]]

  (tmp_path / "y").write_text("word " * 200 + "end")
  texts = read_corpus(str(tmp_path / "y"), words=True).texts
  found = split((tmp_path / "y").read_bytes())
  assert [part.decode() for part in found] == list(texts.values())
  data = ("wörd\u3000" * 999).encode()
  for part in split(data):
    assert set(part.decode().split()) == {"wörd"}
  for length in range(30, 60):  # places between CR and LF among them
    for part in split(b"a\r\n" * length):
      assert not part.endswith(b"\r")
  far = "é".encode() * 10**6  # no word ends: between characters
  assert [len(part.decode()) for part in split(far)] == [
    900_000,
    50_000,
    50_000,
  ]
  assert (
    b"".join(split(bytes(range(128, 256)) * 99)) == bytes(range(128, 256)) * 99
  )


SIDE_FILES = (
  *("._train.txt", "__MACOSX/._train.txt", "__MACOSX/a/train.txt"),
  *(".DS_Store", "Thumbs.db", "desktop.ini", "train.txt~", ".train.txt.swp"),
  *("#train.txt#", ".#train.txt", "train.txt.bak", "~$train.txt"),
  *(
    ".ipynb_checkpoints/train.txt",
    "__MACOSX\\._train.txt",
    "@eaDir/train.txt",
  ),
)


def test_what_stands_beside_the_data():
  assert all(map(is_beside, SIDE_FILES))
  data = ("train.txt", "./data/train.txt", "a/b.txt", "wiki.train.tokens", "1")
  data += ("old.bak/train.txt", "../train.txt")
  assert not any(map(is_beside, data))


@pytest.mark.parametrize("name", ["x.zip", "X.ZIP"])
def test_side_files_are_no_part_of_an_archive(tmp_path, name):
  with zipfile.ZipFile(tmp_path / name, "w") as archive:
    for side in SIDE_FILES:
      archive.writestr(side, b"\0\5\x16\7")
    for split in SPLITS:
      archive.writestr(f"a b/{split}.txt", f"{split} text")
      archive.writestr(f"a b/old.{split}.txt", "old")
  texts = read_corpus(str(tmp_path / name)).texts
  assert texts == {split: f"{split} text" for split in SPLITS}
  with open_source(str(tmp_path / name)) as files:
    assert len(files) == 6


def test_side_files_are_no_part_of_a_folder(tmp_path):
  for side in SIDE_FILES:
    path = tmp_path / side
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\0\5\x16\7")
  target = tmp_path / ".target"
  target.write_text("train text")
  (tmp_path / "PTB.Train.TXT").symlink_to(target)
  for split in SPLITS[1:]:
    (tmp_path / f"ptb.{split}.txt").write_text(f"{split} text")
  texts = read_corpus(str(tmp_path)).texts
  assert texts == {split: f"{split} text" for split in SPLITS}
  with open_source(str(tmp_path)) as files:
    assert len(files) == 3


def test_folders_behind_links(tmp_path):
  """Each once, so that a loop of them ends."""
  (tmp_path / "far").mkdir()
  (tmp_path / "far" / "a.txt").write_text("a")
  folder = tmp_path / "folder"
  folder.mkdir()
  os.symlink(tmp_path / "far", folder / "near")
  os.symlink(folder, folder / "loop")
  with open_source(str(folder)) as files:
    assert [file.name for file in files] == [str(folder / "near" / "a.txt")]


def test_two_files_that_could_be_a_split(tmp_path):
  with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
    for name in ("a/train.txt", "b/train.txt", "valid.txt", "test.txt"):
      archive.writestr(name, "text")
  with pytest.raises(DataError, match="a/train.txt, b/train.txt all end in"):
    read_corpus(str(tmp_path / "x.zip"))


def damage(data: bytes, archive: zipfile.ZipFile) -> bytes:
  info = archive.getinfo("valid.txt")
  place = info.header_offset + 60
  return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


def lock(data: bytes, archive: zipfile.ZipFile) -> bytes:
  """Says of every member that it is encrypted."""
  data = bytearray(data)
  for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
    place = data.find(mark)
    while place >= 0:
      data[place + flags] |= 1
      place = data.find(mark, place + 1)
  return bytes(data)


@pytest.mark.parametrize(
  "method",
  [
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
  ],
)
@pytest.mark.parametrize("harm", [damage, lock])
def test_archives_that_cannot_be_read(tmp_path, method, harm):
  path = tmp_path / "x.zip"
  with zipfile.ZipFile(path, "w", method) as archive:
    for split in SPLITS:
      archive.writestr(f"{split}.txt", LINES)
  with zipfile.ZipFile(path) as archive:
    path.write_bytes(harm(path.read_bytes(), archive))
  with pytest.raises(DataError, match="x.zip: cannot be read: .") as error:
    read_corpus(str(path))
  assert "\n" not in str(error.value)


def test_a_split_without_words(tmp_path):
  for split in SPLITS:
    (tmp_path / f"{split}.txt").write_text("a b\n" * 9)
  (tmp_path / "valid.txt").write_text("   ")
  with pytest.raises(DataError, match="valid split has fewer than 2 tokens"):
    words(tmp_path)
  (tmp_path / "valid.txt").write_text("")
  with pytest.raises(DataError, match="valid.txt: the file is empty"):
    words(tmp_path)


def test_documentation_strings(tmp_path):
  (tmp_path / "a.py").write_text(
    '"""Of the\n  module."""\nclass A:\n  """Of A."""\n  def f(self):\n'
    '    try:\n      pass\n    except E:\n      def g():\n        "Of g."\n'
    'x = "none"\ndef h():\n  """Of h,\n\n  at "length". """\n'
  )
  (tmp_path / "b.py").write_text("print 'an old one'\n")
  for number in range(60):
    (tmp_path / f"c{number}.py").write_text(f'"""{number}"""\n')
  texts = stdlib.read_stdlib(tmp_path, docstrings=True)
  whole = "".join(texts.values())
  assert (
    'Of the\nmodule.\n\nOf A.\n\nOf g.\n\nOf h,\n\nat "length". \n\n' in whole
  )
  assert "none" not in whole and "old" not in whole
  assert all(texts.values())
