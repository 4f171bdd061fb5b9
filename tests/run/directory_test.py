"""Run directories: one process, one config, nothing half-made."""

import contextlib
import fcntl
import json
import os
import shutil

import jax
import numpy as np
import pytest
from helpers import make_small_config

import lstm_jax
from lstm_jax import load_run
from lstm_jax.config import to_json
from lstm_jax.errors import CheckpointError, ConfigError, RunError
from lstm_jax.files import write_atomically
from lstm_jax.run import directory
from lstm_jax.run.directory import (
  check_config,
  check_same_data,
  read_config,
  read_record,
)
from lstm_jax.run.load import parameter_digest
from lstm_jax.run.lock import claim, is_locked
from lstm_jax.run.status import read_state


def test_a_claim_that_wrote_nothing_leaves_nothing(tmp_path):
  with contextlib.suppress(ZeroDivisionError), claim(tmp_path / "a/b/c"):
    raise ZeroDivisionError
  assert not (tmp_path / "a").exists()
  (tmp_path / "mine").mkdir()
  with claim(tmp_path / "mine"):
    pass
  assert list((tmp_path / "mine").iterdir()) == []


def test_the_second_process_refuses(tmp_path):
  with claim(tmp_path / "run"):
    with pytest.raises(RunError, match=f"another process .*{os.getpid()}"):
      with claim(tmp_path / "run"):
        pass
    assert (tmp_path / "run/lock").exists()
  with claim(tmp_path / "run"):
    pass


def test_a_run_is_alive_by_its_lock(finished_run, tmp_path):
  path = tmp_path / "run"
  shutil.copytree(finished_run, path)
  record = read_record(path)
  del record["starts"][0]["end"]
  (path / "run.json").write_text(json.dumps(record))
  with claim(path):
    assert read_state(path) == "running"
  # Its number is another process's by now: this one's.
  assert str(os.getpid()) in (path / "lock").read_text()
  assert read_state(path) == "stopped"


def test_a_look_at_the_lock_stops_no_start(tmp_path, monkeypatch):
  with claim(tmp_path / "run") as path:
    (path / "config.json").touch()
  look = os.open(path / "lock", os.O_RDONLY)
  fcntl.flock(look, fcntl.LOCK_SH)
  flock = fcntl.flock

  def end_look(lock, how):
    try:
      flock(lock, how)
    finally:
      flock(look, fcntl.LOCK_UN)

  monkeypatch.setattr(fcntl, "flock", end_look)
  with claim(path):
    assert is_locked(path)
  os.close(look)


def test_places_that_are_no_run_directory(tmp_path):
  (tmp_path / "thesis.tex").write_text("x")
  with pytest.raises(RunError, match="not a run directory: it has thesis.tex"):
    with claim(tmp_path):
      pass
  assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
  for path in (tmp_path / "thesis.tex", tmp_path / "thesis.tex/run"):
    with pytest.raises(RunError, match="cannot be used as run directory"):
      with claim(path):
        pass
  (tmp_path / "sly").mkdir()
  (tmp_path / "sly/lock").symlink_to(tmp_path / "thesis.tex")
  with pytest.raises(RunError, match="cannot be used"):
    with claim(tmp_path / "sly"):
      pass
  assert (tmp_path / "thesis.tex").read_text() == "x"


def test_another_config_is_refused_with_the_difference(finished_run, corpus):
  config = make_small_config(corpus)
  assert check_config(finished_run, config, 0) is config
  config.run.log_every = 9
  assert check_config(finished_run, config, 0) is config
  config.train.seed = 5
  config.model.hidden_sizes = (9,)
  with pytest.raises(ConfigError) as error:
    check_config(finished_run, config, 0)
  assert "hidden_sizes: 8 -> 9; train.seed: 0 -> 5;" in str(error.value)


def test_only_more_steps_are_allowed(finished_run, tmp_path, corpus):
  config = check_config(finished_run, make_small_config(corpus), 20)
  assert config.train.steps == 20
  with pytest.raises(ConfigError, match="already has 12 steps"):
    check_config(finished_run, make_small_config(corpus), 5)
  config = make_small_config(corpus)
  config.train.steps = 30
  with pytest.raises(ConfigError, match="a longer run needs extend_to=30"):
    check_config(finished_run, config, 0)
  config.train.steps = 6
  with pytest.raises(ConfigError, match="12 steps by now; .* extend_to=12"):
    check_config(finished_run, config, 0)
  with pytest.raises(ConfigError, match="no run to extend"):
    check_config(tmp_path, config, 30)


def test_changed_data_are_refused(finished_run):
  data = read_record(finished_run)["data"]
  check_same_data(finished_run, data | {"corpus": "moved"})
  with pytest.raises(RunError, match="the data changed .*corpus_sha256"):
    check_same_data(finished_run, data | {"corpus_sha256": "0"})


def test_the_record_of_a_run(finished_run, corpus):
  record = read_record(finished_run)
  (start,) = record["starts"]
  assert start["from_step"] == 0
  assert start["lstm_jax"] == lstm_jax.__version__
  assert start["versions"]["jax"] == jax.__version__
  assert start["platform"] == "cpu"
  assert record["data"]["corpus"] == corpus
  assert set(record["data"]["characters"]) == {"train", "valid", "test"}
  assert read_config(finished_run) == make_small_config(corpus)


def test_load_run(finished_run):
  run = load_run(finished_run)
  tokens = run.vocabulary.encode("red green")
  output = run.model(tokens[None])
  assert output.logits().shape == (1, 9, len(run.vocabulary))
  assert parameter_digest(
    load_run(finished_run, 12).params
  ) != parameter_digest(load_run(finished_run, 9).params)
  assert run.config.train.steps == 12
  assert run.assets == {"vocabulary": run.vocabulary.symbols}
  with pytest.raises(CheckpointError, match='no checkpoint "5"'):
    load_run(finished_run, 5)


def test_a_run_of_cudnn_is_loaded_without_an_nvidia_gpu(finished_run, tmp_path):
  shutil.copytree(finished_run, tmp_path / "run")
  path = tmp_path / "run/config.json"
  text = path.read_text()
  path.write_text(text.replace('"engine": "auto"', '"engine": "cudnn"'))
  assert read_config(path.parent).model.engine == "cudnn"
  run, plain = load_run(path.parent), load_run(finished_run)
  tokens = run.vocabulary.encode("red")[None]
  np.testing.assert_array_equal(
    run.model(tokens).logits(), plain.model(tokens).logits()
  )


def test_runs_that_are_not_there(tmp_path):
  with pytest.raises(RunError, match="no run here: config.json is missing"):
    load_run(tmp_path)
  with pytest.raises(RunError, match="no run here"):
    load_run(tmp_path / "nowhere")
  (tmp_path / "config.json").write_text("{")
  with pytest.raises(RunError, match="cannot be read: not valid JSON"):
    load_run(tmp_path)
  (tmp_path / "config.json").write_text(to_json(make_small_config("x")))
  with pytest.raises(RunError, match="vocabulary.json: cannot be read"):
    load_run(tmp_path)
  (tmp_path / "vocabulary.json").write_text(json.dumps("zyx"))
  with pytest.raises(RunError, match="vocabulary.json: cannot be read"):
    load_run(tmp_path)


def test_the_digest_sees_names_shapes_and_values():
  w = np.zeros((2, 3), np.float32)
  base = parameter_digest({"w": w})
  assert parameter_digest({"w": w.copy()}) == base
  assert parameter_digest({"v": w}) != base
  assert parameter_digest({"w": w.reshape(3, 2)}) != base
  assert parameter_digest({"w": np.nextafter(w, 1)}) != base


def test_a_failed_write_keeps_the_old_file(tmp_path):
  path = tmp_path / "file"
  write_atomically(path, "old")
  with pytest.raises(TypeError):
    write_atomically(path, b"new")
  assert path.read_text() == "old"
  assert list(tmp_path.iterdir()) == [path]
  write_atomically(path, "runs/caf\udce9")  # a byte that is no text
  assert path.read_text() == "runs/caf\\udce9"


def test_a_text_may_move(finished_run, corpus):
  config = make_small_config(corpus)
  config.task.corpus = "elsewhere.txt"  # its digest is compared instead
  assert check_config(finished_run, config, 0) is config


def test_an_extension_is_checked(finished_run, corpus):
  with pytest.raises(ConfigError, match="train.steps: must be at least 1"):
    check_config(finished_run, make_small_config(corpus), 10**10)


@pytest.mark.parametrize(
  "text", ["[1, 2]", "3", "null", '{"data": [1]}', '{"data": {}, "starts": 3}']
)
def test_a_record_that_is_none(tmp_path, text):
  (tmp_path / "run.json").write_text(text)
  with pytest.raises(RunError, match="run.json: cannot be read"):
    read_record(tmp_path)


@pytest.mark.parametrize("name", ["~nosuchuser/run", "a" * 300, "a\0b"])
def test_names_that_cannot_be(name):
  for use in (read_config, lambda path: claim(path).__enter__()):
    with pytest.raises(RunError):
      use(name)


def test_a_run_says_what_surrounds_it_and_has_changed(tmp_path, monkeypatch):
  def start():
    return directory.write_start(tmp_path, {}, 1, 0, "train")

  monkeypatch.setenv("XLA_FLAGS", "")
  assert start() == []
  record = directory.read_record(tmp_path)
  assert record["starts"][0]["settings"] == {}
  monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
  monkeypatch.setenv("NPROC", "7")
  threads, settings = start()
  assert "threads was " in threads and "and is 7 now" in threads
  assert "settings was as usual at the last start and is XLA_FLAGS=" in settings
  assert start() == []
  # A run of an older version, whose record has fewer things.
  for one in record["starts"]:
    del one["settings"], one["threads"], one["processor"]
  (tmp_path / "run.json").write_text(json.dumps(record))
  assert start() == []
