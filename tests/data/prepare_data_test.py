"""Prepared corpora, those of TFDS where it is installed."""

import hashlib
import importlib.util
import io
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import run_main, sha, slow_but

from configs import char_lm, zaremba_2014
from experiments.train import Plan, train
from lstm_jax.config import validate
from lstm_jax.data import prepared
from lstm_jax.data.text import read_corpus
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.tasks.text_config import ByteLMConfig, CharLMConfig, WordLMConfig
from scripts import known_corpora, prepare_data, tfds_sets
from scripts.known_corpora import TFDS_SETS, Known

NEEDED = ("tensorflow_datasets", "array_record")
there = all(map(importlib.util.find_spec, NEEDED))
needs_tfds = [
  pytest.mark.skipif(not there, reason="the extra `data` is not installed"),
  pytest.mark.filterwarnings("ignore"),
]
TEXT = "the cat saw the dog \n a dog sät \n" * 60


@pytest.fixture
def home(tmp_path, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
  (tmp_path / "mine.txt").write_text(TEXT)
  return tmp_path


def marked(test):
  for mark in needs_tfds:
    test = mark(test)
  return test


def test_what_is_missing_is_said_in_a_line(home):
  for name, message in (
    ("ptb", r"tfds:ptb: not prepared yet: scripts/prepare_data.py .*\(ptb\)$"),
    ("other", r"not prepared yet: .*\(other\)$"),
  ):
    with pytest.raises(DataError, match=message) as error:
      read_corpus(f"tfds:{name}")
    assert "\n" not in str(error.value)
  old = home / "data" / "lm_text" / "text8" / "1.0.0"
  old.mkdir(parents=True)
  with pytest.raises(DataError, match="by an older version of lstm_jax; do it"):
    read_corpus("tfds:text8")
  command = ["prepare_data"]
  with pytest.raises(ConfigError, match="which corpus"):
    prepare_data.main(command)
  with pytest.raises(ConfigError, match='did you mean "enwik8"'):
    prepare_data.main([*command, "enwik"])
  with pytest.raises(DataError, match="--source is missing; get text8.zip"):
    prepare_data.main([*command, "text8"])
  with pytest.raises(DataError, match="^nowhere: no such file"):
    prepare_data.main([*command, "text8", "--source", "nowhere"])
  with pytest.raises(ConfigError, match='unexpected word "ptb" behind text8'):
    prepare_data.main([*command, "text8", "--source=x", "ptb"])
  (home / "empty").mkdir()
  with pytest.raises(DataError, match="no file ends in enwik8"):
    prepare_data.main([*command, "enwik8", f"--source={home / 'empty'}"])
  with pytest.raises(ConfigError, match="must be letters"):
    prepare_data.main([*command, "text", "--source=x", "--name=a b"])
  with pytest.raises(ConfigError, match="task.stream: give a prepared corpus"):
    CharLMConfig(stream=True).check()


def test_without_tfds(home, monkeypatch):
  for name in NEEDED:
    monkeypatch.setitem(sys.modules, name, None)
  with pytest.raises(DataError, match="pip install tensorflow-datasets"):
    prepare_data.main(["x", "lm1b"])
  assert not (home / "data").exists()


def test_a_text_comes_back(home, capsys):
  source = f"--source={home / 'mine.txt'}"
  out = run_main(prepare_data, capsys, "text", source)
  assert "--config.task.corpus=tfds:mine" in out
  texts = read_corpus("tfds:mine").texts
  assert "".join(texts.values()) == TEXT
  plain = read_corpus(str(home / "mine.txt"), as_bytes=True).texts
  for split in texts:
    assert abs(len(texts[split].encode()) - len(plain[split])) <= 1
  made = home / "data" / "lm_text" / "mine"
  assert [path.name for path in (home / "data").iterdir()] == ["lm_text"]
  assert [path.name for path in made.iterdir()] == ["2"]
  other = f"tfds:{home / 'data'}/mine"
  assert read_corpus(other).digest == read_corpus("tfds:mine").digest


@pytest.mark.parametrize("spread", [0.0, 1.5])
@pytest.mark.parametrize("kind", [CharLMConfig, ByteLMConfig, WordLMConfig])
def test_a_corpus_from_disk_is_that_of_memory(home, capsys, kind, spread):
  source = f"--source={home / 'mine.txt'}"
  run_main(prepare_data, capsys, "text", source)
  options = {"corpus": "tfds:mine", "window": 6, "window_spread": spread}
  memory = kind(**options).load(3)
  disk = kind(**options, stream=True).load(3)
  assert disk.record == memory.record
  assert disk.steps_per_epoch == memory.steps_per_epoch
  assert disk.tokens_per_step == memory.tokens_per_step
  assert disk.vocabulary.symbols == memory.vocabulary.symbols
  for first in (0, 3, disk.steps_per_epoch):
    data = disk.source.at(first, 2)
    for step in (first, first + 1):
      found, expected = (
        task.batch(source, jnp.int32(step), jax.random.key(0))
        for task, source in ((disk, data), (memory, memory.source.at(0, 1)))
      )
      jax.tree.map(np.testing.assert_array_equal, found, expected)
      if step < 5 or not spread:
        assert bool(found[1].restart) == (step in (0, disk.steps_per_epoch))
  again = kind(**options, stream=True).load(3)
  assert again.record == memory.record


@pytest.mark.parametrize("spread", slow_but([0.0, 2.0], [0.0]))
def test_a_streamed_run_is_the_same_and_resumes(home, capsys, spread):
  run_main(prepare_data, capsys, "text", f"--source={home / 'mine.txt'}")
  config = char_lm.get_config("tiny")
  config.task.corpus, config.task.limit = "tfds:mine", 0
  config.task.window, config.task.window_spread = 8, spread
  config.optimizer.schedule = type(config.optimizer.schedule)("constant")
  config.train.steps = 12
  config.train.validate_every = config.train.steps_per_call = 6
  config.run.log_every = config.run.save_every = 6
  config.run.sample_length = 0
  assert train(Plan(validate(config), str(home / "memory"))) == 0
  config.task.stream = True
  assert train(Plan(validate(config), str(home / "disk"))) == 0
  config.train.steps = 6
  assert train(Plan(validate(config), str(home / "parts"))) == 0
  assert train(Plan(validate(config), str(home / "parts"), extend_to=12)) == 0
  assert sha(home / "disk") == sha(home / "memory") == sha(home / "parts")


def test_a_known_corpus_is_checked(home, capsys, monkeypatch):
  folder = home / "source"
  folder.mkdir()
  for split in ("train", "valid", "test"):
    (folder / f"ptb.{split}.txt").write_text(" a b \n c \n")
  known = Known("it", known_corpora.KNOWN["ptb"].files, tokens=(5, 5, 5))
  monkeypatch.setitem(known_corpora.KNOWN, "ptb", known)
  source = f"--source={folder}"
  run_main(prepare_data, capsys, "ptb", source)
  assert read_corpus("tfds:ptb").texts["valid"] == " a b \n c \n"
  (folder / "ptb.valid.txt").write_text(" a b \n")
  with pytest.raises(DataError, match="valid split has 3 tokens, not 5"):
    prepare_data.main(["x", "ptb", source])
  assert read_corpus("tfds:ptb").texts["valid"] == " a b \n c \n"
  assert [path.name for path in (home / "data").iterdir()] == ["lm_text"]
  digests = Known("it", known.files, digests=("0" * 64,) * 3)
  monkeypatch.setitem(known_corpora.KNOWN, "ptb", digests)
  with pytest.raises(DataError, match="is not the file that the papers have"):
    prepare_data.main(["x", "ptb", source])
  monkeypatch.setitem(
    known_corpora.KNOWN, "text8", Known("it", ("text8",), size=4)
  )
  with pytest.raises(DataError, match="has 2,040 bytes, not 4; get it"):
    prepare_data.main(["x", "text8", f"--source={home / 'mine.txt'}"])


def test_lines_of_characters(home, capsys, monkeypatch):
  folder = home / "source"
  folder.mkdir()
  for split in ("train", "valid", "test"):
    (folder / f"ptb.{split}.txt").write_text(" a b \n c \n")
  known = known_corpora.KNOWN["ptb_chars"]
  monkeypatch.setitem(
    known_corpora.KNOWN,
    "ptb_chars",
    Known("it", known.files, change=known.change),
  )
  run_main(prepare_data, capsys, "ptb_chars", f"--source={folder}")
  assert read_corpus("tfds:ptb_chars").texts["train"] == "a b\nc\n"


def test_a_damaged_record(home, capsys):
  run_main(prepare_data, capsys, "text", f"--source={home / 'mine.txt'}")
  path = prepared.open_prepared("tfds:mine").path / "corpus.json"
  path.write_text(json.dumps({"train": {}}))
  with pytest.raises(DataError, match="cannot be read.*prepare_data.py makes"):
    read_corpus("tfds:mine")


def test_a_torn_split(home, capsys):
  run_main(prepare_data, capsys, "text", f"--source={home / 'mine.txt'}")
  path = prepared.open_prepared("tfds:mine").path / "valid.txt"
  path.write_bytes(path.read_bytes()[:-1])
  with pytest.raises(DataError, match="valid.txt is not as it was written"):
    read_corpus("tfds:mine")


def test_the_digest_is_that_of_older_versions(home, capsys):
  """A run that began with a data set of TFDS's goes on with these files."""
  run_main(prepare_data, capsys, "text", f"--source={home / 'mine.txt'}")
  texts = read_corpus("tfds:mine", as_bytes=True).texts
  record = [
    {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    for text in texts.values()
  ]
  digest = hashlib.sha256(json.dumps(record).encode()).hexdigest()
  assert read_corpus("tfds:mine").digest == digest


def serve(monkeypatch, name, examples):
  """A set of TFDS whose builder yields these texts, without a download."""
  import tensorflow_datasets as tfds

  field = TFDS_SETS[name].field
  builder = tfds.builder_cls(name)
  features = tfds.features.FeaturesDict({field: tfds.features.Text()})

  def info(self):
    return tfds.core.DatasetInfo(builder=self, features=features)

  def split_generators(self, dl_manager):
    return {
      split: ((n, {field: text}) for n, text in enumerate(texts))
      for split, texts in examples.items()
    }

  monkeypatch.setattr(builder, "_info", info)
  monkeypatch.setattr(builder, "_split_generators", split_generators)
  monkeypatch.setattr(tfds_sets, "find_spec", lambda name: True)
  monkeypatch.setattr(
    tfds_sets.urllib.request, "urlopen", lambda url, timeout: io.BytesIO()
  )


@marked
@pytest.mark.parametrize("name", ["tiny_shakespeare", "pg19"])
def test_a_set_of_tfds(home, capsys, monkeypatch, name):
  examples = {"train": ["To be, ö"], "validation": ["r not\n"], "test": ["ab"]}
  serve(monkeypatch, name, examples)
  out = run_main(prepare_data, capsys, name)
  assert f"--config.task.corpus=tfds:{name}" in out
  end = "" if name == "tiny_shakespeare" else "\n"
  assert list(read_corpus(f"tfds:{name}").texts.values()) == [
    text + end for (text,) in examples.values()
  ]
  # Again, from TFDS's files: no TensorFlow, no network.
  monkeypatch.setattr(tfds_sets, "_download", None)
  run_main(prepare_data, capsys, name)


@marked
def test_a_set_without_validation(home, capsys, monkeypatch):
  texts = [f"sentence {n}" for n in range(9)]
  serve(monkeypatch, "lm1b", {"train": texts, "test": texts})
  run_main(prepare_data, capsys, "lm1b")
  found = read_corpus("tfds:lm1b").texts
  assert sorted(found["train"].splitlines()) == texts
  assert sorted((found["valid"] + found["test"]).splitlines()) == texts
  assert len(found["valid"].splitlines()) == 4


@marked
def test_why_a_set_cannot_be_prepared(home, monkeypatch):
  command = ["prepare_data", "lm1b"]
  with pytest.raises(ConfigError, match="lm1b is downloaded"):
    prepare_data.main([*command, "--source=x"])
  serve(monkeypatch, "lm1b", {"train": ["a"]})

  def fail(*arguments, **options):
    raise OSError("no network\nat all")

  with monkeypatch.context() as patch:
    patch.setattr(tfds_sets.urllib.request, "urlopen", fail)
    with pytest.raises(DataError, match="statmt.org cannot be reached: no net"):
      prepare_data.main(command)
  with monkeypatch.context() as patch:
    import tensorflow_datasets as tfds

    patch.setattr(tfds.builder_cls("lm1b"), "_split_generators", fail)
    with pytest.raises(DataError, match="cannot prepare it: no network$"):
      prepare_data.main(command)
  monkeypatch.setattr(tfds_sets, "find_spec", lambda name: None)
  with pytest.raises(DataError, match="tensorflow is not installed"):
    prepare_data.main(command)
  with pytest.raises(DataError, match="not prepared yet"):
    read_corpus("tfds:lm1b")


def test_words_of_a_recipe_may_be_prepared():
  config = zaremba_2014.get_config("tiny")
  config.task.corpus, config.task.stream = "tfds:ptb", True
  with pytest.raises(ConfigError, match="no task.limit"):
    validate(config)
