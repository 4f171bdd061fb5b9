"""Checks and cuts corpora that you have, once, and gets those that TensorFlow
Datasets (TFDS) has.

  python -m scripts.prepare_data ptb --source=simple-examples.tgz
  python -m scripts.prepare_data enwik8 --source=enwik8.zip
  python -m scripts.prepare_data text --name=mine --source=FILE_OR_FOLDER
  python -m scripts.prepare_data tiny_shakespeare

The corpora are ptb, ptb_chars, wikitext2, wikitext103, text8, enwik8, and text,
any of your own. The source is a folder, a zip or tar archive, or a file; sizes
and digests of the known ones are checked. A text of one file is cut 90/5/5,
else there must be train.txt, valid.txt and test.txt. TFDS's own sets
tiny_shakespeare, lm1b, wiki40b (English) and pg19 are downloaded, which alone
needs the extra `data` and TensorFlow. Then train with

  --config.task.corpus=tfds:NAME

and, for what is larger than memory, --config.task.stream=true. Data sets are in
--data_dir, $TFDS_DATA_DIR or ~/tensorflow_datasets.
"""

import functools
import hashlib
import itertools
import pathlib
import re
import sys

from absl import flags

from experiments.command_line import new_flags, parse_words, run_command
from experiments.progress import percent_line
from lstm_jax.data.cuts import whole_cut
from lstm_jax.data.prepared import SPLITS, data_folder, write_prepared
from lstm_jax.data.source_files import (
  SourceFile,
  choose_files,
  open_source,
  pieces,
)
from lstm_jax.data.words import WordSplit
from lstm_jax.errors import ConfigError, DataError, suggest
from scripts.known_corpora import KNOWN, TFDS_SETS, Known, how_to_prepare
from scripts.tfds_sets import prepare_set


class Reader:
  """Reads the splits of a corpus, shows how far, and counts what it reads."""

  def __init__(self, name: str, known: Known, parts: dict):
    self._name, self._known = name, known
    self._parts = parts  # split: (file, first byte, bytes)
    self._total = sum(size for _, _, size in parts.values())
    self._done = 0
    self.tokens = dict.fromkeys(SPLITS, 0)
    self.digests = {}  # of each file

  def read(self, split: str):
    """The pieces of a split, as they are to be stored."""
    file, start, size = self._parts[split]
    digest = self.digests.setdefault(
      file.name, hashlib.new(self._known.algorithm)
    )
    with file.open() as stream:
      while start > 0 and (skipped := len(stream.read(min(start, 2**20)))):
        start -= skipped
      for piece in pieces(stream, size):
        digest.update(piece)
        self._done += len(piece)
        if self._known.tokens:
          text = piece.decode("utf-8", "replace")
          self.tokens[split] += len(WordSplit().split(text))
        percent_line(f"{self._name}: {split}", self._done, self._total)
        yield self._known.change(piece)
    if not sys.stderr.isatty():
      print(f"{self._name}: {split} read", file=sys.stderr, flush=True)

  def check(self, record: dict):
    """Raises DataError where it is another corpus."""
    known, name = self._known, self._name
    for split, wanted in zip(SPLITS, known.tokens, strict=False):
      if self.tokens[split] != wanted:
        raise DataError(
          f"{name}: the {split} split has {self.tokens[split]:,} tokens, not"
          f" {wanted:,}; {how_to_prepare(name)}, or prepare it as a text"
        )
    for (file, digest), wanted in zip(
      self.digests.items(), known.digests, strict=False
    ):
      if digest.hexdigest() != wanted:
        raise DataError(
          f"{name}: {file} is not the file that the papers have"
          f" ({known.algorithm} {digest.hexdigest()}); {how_to_prepare(name)},"
          " or prepare it as a text"
        )
    for split in SPLITS:
      if not record[split]["bytes"]:
        raise DataError(f"{name}: the {split} split is empty")


def prepare_corpus(kind: str, name: str, source: str, folder: pathlib.Path):
  """Prepares one corpus and returns where it is.

  Raises:
    DataError: the source is not what it should be.
  """
  known = KNOWN.get(kind) or Known("", tuple(f"{s}.txt" for s in SPLITS))
  with open_source(source) as files:
    parts = _parts(kind, known, files, source)
    reader = Reader(name, known, parts)
    splits = {s: functools.partial(reader.read, s) for s in SPLITS}
    return write_prepared(name, folder, splits, reader.check)


def _parts(kind, known, files, source):
  """Of each split its file, first byte and number of bytes."""
  by_name = {file.name: file for file in files}
  if len(known.files) == 3 and not (kind == "text" and len(files) == 1):
    chosen = zip(
      SPLITS, choose_files(by_name, known.files, source), strict=True
    )
    return {s: (by_name[name], 0, by_name[name].size) for s, name in chosen}
  file = files[0] if len(files) == 1 else None
  if file is None:
    file = by_name[choose_files(by_name, known.files, source)[0]]
  if known.size and file.size != known.size:
    raise DataError(
      f"{source}: {file.name} has {file.size:,} bytes, not {known.size:,};"
      f" {how_to_prepare(kind)}"
    )
  cuts = [file.size * percent // 100 for percent in (0, 90, 95, 100)]
  if kind == "text":
    cuts[1:3] = [_between_words(file, cut) for cut in cuts[1:3]]
  return {
    split: (file, start, stop - start)
    for split, (start, stop) in zip(
      SPLITS, itertools.pairwise(cuts), strict=True
    )
  }


def _between_words(file: SourceFile, place: int) -> int:
  """The first place from here on that is not inside a word, nor, if that is
  far, inside a character."""
  start = left = max(place - 16, 0)
  with file.open() as stream:
    while left > 0 and (skipped := len(stream.read(min(left, 2**20)))):
      left -= skipped
    data = stream.read(2**16)
  while place < start + len(data) and data[place - start] & 0xC0 == 0x80:
    place += 1
  before, after = (
    part.decode("utf-8", "surrogateescape")
    for part in (data[: place - start], data[place - start :])
  )
  text, cut = before + after, len(before)
  found = whole_cut(text, cut, words=True)
  if found == len(text) and start + len(data) < file.size:
    found = whole_cut(text, cut)
  return place + len(text[cut:found].encode("utf-8", "surrogateescape"))


def main(argv: list[str]):
  values = new_flags()
  for name, text in (
    ("source", "a folder, a zip or tar archive, or a file"),
    ("name", "of a text; by default that of its file or folder"),
    ("data_dir", "where data sets are kept"),
  ):
    flags.DEFINE_string(name, "", text, flag_values=values)
  words = parse_words(values, argv, __doc__)
  kinds = [*KNOWN, *TFDS_SETS, "text"]
  if not words:
    raise ConfigError(f"which corpus? {', '.join(kinds)}; --help says more")
  kind, *more = words
  if kind not in kinds:
    raise ConfigError(f'which corpus? not "{kind}"' + suggest(kind, kinds))
  if more:
    raise ConfigError(f'unexpected word "{more[0]}" behind {kind}')
  if values.name and kind != "text":
    raise ConfigError("--name is for a text")
  if kind in TFDS_SETS and values.source:
    raise ConfigError(f"--source: {kind} is downloaded; leave it out")
  if kind not in TFDS_SETS and not values.source:
    raise DataError(f"--source is missing; {how_to_prepare(kind)}")
  name = kind
  if kind == "text":
    name = values.name or pathlib.Path(values.source).stem
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
      raise ConfigError(
        f'--name: "{name}" must be letters, digits, _ and -; give another'
      )
    if name in kinds:
      raise ConfigError(f'--name: "{name}" is a known corpus; give another')
  folder = data_folder(values.data_dir)
  if kind in TFDS_SETS:
    path = prepare_set(kind, folder)
  else:
    path = prepare_corpus(kind, name, values.source, folder)
  place = f"{values.data_dir.rstrip('/')}/" if values.data_dir else ""
  print(f"{path}: train with --config.task.corpus=tfds:{place}{name}")


if __name__ == "__main__":
  run_command(main)
