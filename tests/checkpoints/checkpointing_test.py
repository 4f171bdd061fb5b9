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
import numpy as np
import optax
import pytest

from lstm_jax import LSTMState, files
from lstm_jax.checkpoints import checkpointing
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.checkpoints.cleanup import keep_aside
from lstm_jax.checkpoints.manifest import Validation, find_damage
from lstm_jax.errors import CheckpointError, RunError
from lstm_jax.parallel import processes
from lstm_jax.training.state import init_state


def make_state(step=0, scale=1.0):
  params = {"w": scale * jnp.arange(6.0).reshape(2, 3), "l": {0: jnp.ones(2)}}
  plateau = optax.contrib.reduce_on_plateau()
  carry = (LSTMState(jnp.ones((2, 3)), jnp.zeros((2, 3))),)
  state = init_state(params, carry, optax.adam(0.1), plateau, seed=3)
  return state.replace(step=jnp.int32(step))


def assert_equal(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
      x, y = jax.random.key_data(x), jax.random.key_data(y)
    np.testing.assert_array_equal(x, y)


def validation(loss):
  return Validation(loss, loss)


def save(path, *losses):
  """One checkpoint a loss, at steps 1, 2, ..."""
  with Checkpointer(path, writing=True) as checkpointer:
    for step, loss in enumerate(losses, 1):
      checkpointer.save(make_state(step, scale=step), validation(loss))


def steps(path):
  with Checkpointer(path) as checkpointer:
    return checkpointer.steps(), checkpointer.best_step()


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


@pytest.mark.parametrize("moment", ["copied", "removed", "half written"])
def test_a_kill_while_a_checkpoint_is_written_again(tmp_path, moment):
  save(tmp_path, math.inf)
  folder = tmp_path / "checkpoints"
  keep_aside(tmp_path, folder, 1)
  if moment != "copied":
    shutil.rmtree(folder / "1")
  if moment == "half written":
    (folder / "1").mkdir()
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
    assert_equal(state, make_state(1, scale=1))
    assert notes == []
    checkpointer.save(state, validation(0.5))
  assert steps(tmp_path) == ([1], 1)
  names = sorted(path.name for path in tmp_path.iterdir())
  assert names == ["checkpoints"]


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


def damage_flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def damage_truncate(path):
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_empty(path):
  path.write_bytes(b"")


@pytest.fixture(scope="module")
def three(tmp_path_factory):
  path = tmp_path_factory.mktemp("three")
  save(path, 3.0, 2.0, 2.5)
  assert steps(path)[0] == [2, 3]
  return path


@pytest.mark.parametrize(
  "damage", [damage_flip, damage_truncate, damage_empty, "unlink"]
)
def test_damage_to_any_file_is_found(three, tmp_path, damage):
  files = sorted(p for p in (three / "checkpoints/3").rglob("*") if p.is_file())
  assert len(files) > 5
  for file in files:
    if file.stat().st_size == 0 and damage != "unlink":
      continue  # nothing to flip or to cut
    copy = tmp_path / "3"
    shutil.copytree(three / "checkpoints/3", copy)
    target = copy / file.relative_to(three / "checkpoints/3")
    target.unlink() if damage == "unlink" else damage(target)
    assert find_damage(copy), target
    shutil.rmtree(copy)
  assert find_damage(three / "checkpoints/3") is None


def test_a_changed_loss_in_the_manifest_is_found(tmp_path):
  save(tmp_path, 3.0, 2.0)
  manifest = tmp_path / "checkpoints/1/manifest.json"
  text = manifest.read_text()
  assert '"loss": 3.0' in text
  manifest.write_text(text.replace('"loss": 3.0', '"loss": 1.0'))
  assert "manifest.json is not as it was written" in find_damage(
    manifest.parent
  )
  assert steps(tmp_path) == ([1, 2], 2)
  for text in ("3", "null", "[]", "{}", '{"seal": 1}', "{"):
    manifest.write_text(text)
    assert "not as it was written" in find_damage(manifest.parent)


def test_the_newest_sound_checkpoint_is_used(three, tmp_path):
  path = tmp_path / "run"
  shutil.copytree(three, path)
  data = (path / "checkpoints/3/params").rglob("*")
  damage_flip(max(data, key=lambda p: p.is_file() * p.stat().st_size))
  with Checkpointer(path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
    assert int(state.step) == 2
    assert len(notes) == 1 and "checkpoint 3 is damaged: params/" in notes[0]
    checkpointer.save(make_state(3, scale=30), validation(1.0))
  assert (path / "damaged/3/manifest.json").exists()
  assert steps(path) == ([2, 3], 3)
  with Checkpointer(path) as checkpointer:
    params, _ = checkpointer.load_params("best", make_state().params)
  assert float(params["w"].max()) == 150.0


def test_an_unfinished_checkpoint_is_passed_over(three, tmp_path):
  path = tmp_path / "run"
  shutil.copytree(three, path)
  (path / "checkpoints/3/manifest.json").unlink()
  with Checkpointer(path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
  assert int(state.step) == 2
  assert notes == ["checkpoint 3 was not finished; removed"]
  assert not (path / "checkpoints/3").exists()


def test_a_kill_in_the_first_save_starts_afresh(tmp_path):
  save(tmp_path, 1.0)
  (tmp_path / "checkpoints/1/manifest.json").unlink()
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
    assert state is None and "not finished" in notes[0]
    checkpointer.save(make_state(1), validation(1.0))
  assert steps(tmp_path) == ([1], 1)


def test_no_sound_checkpoint_is_an_error_every_time(tmp_path):
  save(tmp_path, 1.0)
  damage_empty(tmp_path / "checkpoints/1/params/_METADATA")
  for _ in range(2):
    with (
      Checkpointer(tmp_path, writing=True) as checkpointer,
      pytest.raises(CheckpointError, match="no sound checkpoint is left"),
    ):
      checkpointer.restore_latest(make_state())


def test_a_damaged_best_is_found_on_resume(tmp_path):
  save(tmp_path, 1.0, 3.0, 2.0)
  assert steps(tmp_path) == ([1, 2, 3], 1)
  damage_empty(tmp_path / "checkpoints/1/params/_METADATA")
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
  assert int(state.step) == 3
  assert len(notes) == 1 and "checkpoint 1 is damaged" in notes[0]
  assert steps(tmp_path) == ([2, 3], 3)


@pytest.mark.parametrize("damage", [damage_empty, damage_truncate, "remove"])
def test_damage_to_what_orbax_reads_first(tmp_path, damage):
  save(tmp_path, 1.0, 3.0, 2.0)
  file = tmp_path / "checkpoints/1/metrics/metrics"
  shutil.rmtree(file.parent) if damage == "remove" else damage(file)
  with Checkpointer(tmp_path) as checkpointer:
    assert checkpointer.load_params("latest", make_state().params)[1] == 3
    with pytest.raises(CheckpointError, match="1 is damaged: metrics/"):
      checkpointer.load_params("best", make_state().params)
  with Checkpointer(tmp_path, writing=True) as checkpointer:
    state, notes = checkpointer.restore_latest(make_state())
    assert int(state.step) == 3
    checkpointer.save(make_state(4), validation(4.0))
  assert notes[0].startswith("checkpoint 1 is damaged: metrics/")
  assert steps(tmp_path) == ([3, 4], 3)


def test_only_the_last_save_can_be_unfinished(tmp_path):
  save(tmp_path, 1.0, 3.0, 2.0)
  for manifest in (tmp_path / "checkpoints").glob("*/manifest.json"):
    manifest.unlink()
  with (
    Checkpointer(tmp_path, writing=True) as checkpointer,
    pytest.raises(CheckpointError, match="no sound checkpoint is left"),
  ):
    checkpointer.restore_latest(make_state())
  assert len(steps(tmp_path)[0]) == 3


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


def test_a_named_checkpoint_is_never_another(three, tmp_path):
  params = make_state().params
  with Checkpointer(three) as checkpointer:
    assert checkpointer.load_params("latest", params)[1] == 3
    assert checkpointer.load_params("best", params)[1] == 2
    for name in ("7", "bset", "-1", ""):
      with pytest.raises(CheckpointError, match="best, latest, 2, 3"):
        checkpointer.load_params(name, params)
  path = tmp_path / "run"
  shutil.copytree(three, path)
  damage_empty(path / "checkpoints/2/params/_METADATA")
  with Checkpointer(path) as checkpointer:
    with pytest.raises(CheckpointError, match="checkpoint 2 is damaged"):
      checkpointer.load_params("best", params)
    assert checkpointer.load_params("3", params)[1] == 3


def test_checkpoints_that_are_not_there(tmp_path):
  with pytest.raises(CheckpointError, match="no checkpoint here; train first"):
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
