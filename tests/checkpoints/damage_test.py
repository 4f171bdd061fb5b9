"""Checkpoints that are damaged or were not finished: found, named, put away."""

import math
import shutil

import pytest
from checkpoint_states import assert_equal, make_state, save, steps, validation

from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.checkpoints.cleanup import keep_aside
from lstm_jax.checkpoints.manifest import find_damage
from lstm_jax.errors import CheckpointError


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


def damage_flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def damage_truncate(path):
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_empty(path):
  path.write_bytes(b"")


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
