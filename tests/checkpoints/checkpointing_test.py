"""Checkpoints: exact, checked, and the right ones kept."""

import hashlib
import json
import math
import os
import re
import shutil
import time
import types

import jax
import jax.numpy as jnp
import pytest
from checkpoint_states import assert_equal, make_state, save, steps, validation

from lstm_jax import files
from lstm_jax.checkpoints import checkpointing
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.checkpoints.manifest import Validation
from lstm_jax.errors import CheckpointError, RunError
from lstm_jax.parallel import processes


def test_a_checkpoint_comes_back_whole(tmp_path):
  save(tmp_path, 1.0)
  assert (tmp_path / "checkpoints/1/manifest.json").exists()
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
  assert notes == []
  assert_equal(state, make_state(1, scale=1))


@pytest.mark.parametrize(
  "name",
  ["[1997]", "a[x]/run", "*", "a**b", "?", "[!a]", "a\\b", "a\udcffb"]
  + ["%25", "$HOME", "{a}", "a:b", "~", "'\"", " ", "\n", "\u6587"],
)
def test_a_checkpoint_comes_back_from_any_folder(tmp_path, name):
  path = tmp_path / name / "run"
  path.mkdir(parents=True)
  (tmp_path / "run").mkdir()  # which a pattern may find in its place
  save(path, 1.0)
  with Checkpointer(path) as checkpointer:
    params, step = checkpointer.load_params("best", make_state().params)
  assert step == 1
  assert_equal(params, make_state(1, scale=1).params)
  assert [p.name for p in path.iterdir()] == ["checkpoints"]


def test_where_a_folder_would_be_misread_it_is_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(files.pathlib.Path, "is_dir", lambda _: False)
  with pytest.raises(RunError, match=r"'\[' in its name; take another"):
    Checkpointer(make_folder(tmp_path / "[a]"), writing=True)


def make_folder(path):
  path.mkdir()
  return path


def test_a_save_that_cannot_be_found_again_is_an_error(tmp_path, monkeypatch):
  lost = types.SimpleNamespace(metadata={"params": None})
  monkeypatch.setattr(
    checkpointing.ocp, "checkpointables_metadata", lambda _: lost
  )
  with pytest.raises(CheckpointError, match="none of its arrays can be found"):
    save(tmp_path, 1.0)


def test_a_state_may_be_donated_while_it_is_saved(tmp_path):
  state = make_state(1).replace(params={"w": jnp.zeros(1_000_000)})
  change = jax.jit(
    lambda s: s.replace(params={"w": s.params["w"] + 1}), donate_argnums=0
  )
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    checkpointer.save(state, validation(1.0))
    for _ in range(20):
      state = change(state)
    jax.block_until_ready(state)
  with Checkpointer(tmp_path) as checkpointer:
    params, _ = checkpointer.load_params("1", state.params)
  assert float(params["w"].max()) == 0.0


def test_processes_agree_on_each_directory_by_itself(tmp_path, monkeypatch):
  asked = []

  def share(name, make):
    asked.append(name)
    return make()

  monkeypatch.setattr(processes, "share", share)
  for path in (tmp_path / "parent", tmp_path / "child"):
    path.mkdir()
    save(path, 1.0)
    with Checkpointer(path) as checkpointer:
      checkpointer.load_params("best", make_state().params)
  # A name is taken for as long as the processes live.
  assert len(set(asked)) == len(asked) == 2


def test_the_last_two_and_the_best_are_kept(tmp_path):
  save(tmp_path, 3.0, 1.0, 2.0, math.inf, math.nan)
  assert steps(tmp_path) == ([2, 4, 5], 2)


def test_the_best_is_that_of_the_lowest_cost(tmp_path):
  """Which may be that of the highest loss."""
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    for step, cost in enumerate((-1.0, -3.0, -2.0, 0.0), 1):
      checkpointer.save(make_state(step), Validation(-cost, cost))
  assert steps(tmp_path) == ([2, 3, 4], 2)


def drop_costs(path):
  """Checkpoints as older versions have written them."""
  for folder in (path / "checkpoints").iterdir():
    for name in ("metrics/metrics", "manifest.json"):
      contents = json.loads((folder / name).read_text())
      contents.pop("cost")
      contents.pop("seal", None)
      if name == "manifest.json":
        files = ((folder / each, each) for each in contents["sha256"])
        contents["sha256"] |= {
          each: hashlib.sha256(file.read_bytes()).hexdigest()
          for file, each in files
        }
        sealed = json.dumps(contents, sort_keys=True).encode()
        contents["seal"] = hashlib.sha256(sealed).hexdigest()
      (folder / name).write_text(json.dumps(contents))


def test_checkpoints_of_an_older_version_are_judged_by_their_loss(tmp_path):
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    checkpointer.save(make_state(1), Validation(1.0, -1.0))
    checkpointer.save(make_state(2), Validation(3.0, -3.0))
  drop_costs(tmp_path)
  assert steps(tmp_path) == ([1, 2], 1)
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
    assert notes == [] and int(state.step) == 2
    checkpointer.save(make_state(3), Validation(2.0, -9.0))
    checkpointer.save(make_state(4), Validation(2.5, -8.0))
  assert steps(tmp_path) == ([1, 3, 4], 1)


def test_a_tie_goes_to_the_later_one(tmp_path):
  save(tmp_path, 1.0, 1.0, 2.0, 3.0)
  assert steps(tmp_path) == ([2, 3, 4], 2)


def test_poll_completes_a_save(tmp_path):
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    checkpointer.save(make_state(1), validation(1.0))
    manifest = tmp_path / "checkpoints/1/manifest.json"
    for _ in range(2000):
      checkpointer.poll()
      if manifest.exists():
        break
      time.sleep(0.005)
    assert manifest.exists()


def test_a_save_that_fails_is_one_line(tmp_path):
  with pytest.raises(CheckpointError, match="checkpoint 1 cannot be saved"):
    with Checkpointer(tmp_path, writing=True) as checkpointer:
      checkpointer.restore_latest(make_state())
      shutil.rmtree(tmp_path / "checkpoints")
      (tmp_path / "checkpoints").write_text("in the way")
      checkpointer.save(make_state(1), validation(1.0))


def test_checkpoints_in_the_way(tmp_path):
  (tmp_path / "checkpoints").write_text("a file")
  with pytest.raises(CheckpointError, match="cannot be used: File exists"):
    Checkpointer(tmp_path, writing=True)


def test_checkpoints_that_are_not_there(tmp_path):
  with pytest.raises(CheckpointError, match="no checkpoint here; train a run"):
    Checkpointer(tmp_path)
  assert not (tmp_path / "checkpoints").exists()
  params = make_state().params
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    with pytest.raises(CheckpointError, match="no checkpoint has been saved"):
      checkpointer.load_params("latest", params)
    checkpointer.save(make_state(1))
    checkpointer.wait()
    with pytest.raises(CheckpointError, match='take the checkpoint "latest"'):
      checkpointer.load_params("best", params)


@pytest.mark.parametrize(
  "shape, kind", [((4, 3), "float32"), ((2, 3), "bfloat16")]
)
def test_another_shape_or_dtype_is_named(three, shape, kind):
  other = {"w": jnp.zeros(shape, kind), "l": {0: jnp.ones(2)}}
  words = re.escape(f"w is float32(2, 3) there and {kind}{shape} here")
  with Checkpointer(three) as checkpointer:
    with pytest.raises(CheckpointError, match=words):
      checkpointer.load_params("3", other)


def test_times_of_files_do_not_matter(three, tmp_path):
  """As where a clock was set back between two starts."""
  path = tmp_path / "run"
  shutil.copytree(three, path)
  for number, file in enumerate([path, *path.rglob("*")]):
    os.utime(file, (time.time() + 1e9 - 100 * number,) * 2)
  with Checkpointer(path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
  assert int(state.step) == 3 and notes == []
