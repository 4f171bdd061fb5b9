"""Groups of similar length: each sequence once an epoch, all from the step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.data.buckets import Buckets, by_length

LENGTHS = np.random.default_rng(0).integers(1, 30, 53)


def make(count=3, batch=4) -> Buckets:
  groups = [
    {"id": rows, "length": LENGTHS[rows]} for rows in by_length(LENGTHS, count)
  ]
  return Buckets(groups, batch)


def run(buckets, steps, per_call=1, first=0, seed=1):
  """The batches of so many updates, [steps b], as training takes them."""
  found, key = [], jax.random.key(seed)
  take = jax.jit(buckets.take)
  for call in range(first, first + steps, per_call):
    data = buckets.at(call, per_call)
    found += [
      np.asarray(take(data, jnp.int32(step), key)["id"])
      for step in range(call, call + per_call)
    ]
  return np.array(found)


def test_groups_are_of_similar_length():
  groups = by_length(LENGTHS, 3)
  np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(53))
  assert [len(rows) for rows in groups] == [18, 18, 17]
  for short, long in zip(groups[:-1], groups[1:], strict=True):
    assert LENGTHS[short].max() <= LENGTHS[long].min()


@pytest.mark.parametrize("count", [1, 3])
def test_an_epoch_shows_no_sequence_twice(count):
  buckets = make(count)
  assert buckets.per_epoch == (13 if count == 1 else 4 + 4 + 4)
  epochs = run(buckets, 3 * buckets.per_epoch).reshape(3, -1)
  for epoch in epochs:
    assert len(np.unique(epoch)) == len(epoch)
  assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()
  other = run(buckets, buckets.per_epoch, seed=2)
  assert (other.ravel() != epochs[0]).any()


def test_a_batch_is_of_one_group():
  groups = by_length(LENGTHS, 3)
  for batch in run(make(), 12):
    assert any(set(batch) <= set(rows) for rows in groups)


@pytest.mark.parametrize("per_call", [1, 5])
def test_a_resumed_run_sees_the_same_batches(per_call):
  whole = run(make(), 60, per_call)
  np.testing.assert_array_equal(run(make(), 30, per_call, 30), whole[30:])


def test_a_call_of_several_updates_has_one_group_and_shows_all_as_often():
  batches = run(make(), 60, 5)  # 12 calls, so that each group has 5 passes
  groups = by_length(LENGTHS, 3)
  for call in batches.reshape(12, -1):
    assert any(set(call) <= set(rows) for rows in groups)
  counts = np.bincount(batches.ravel(), minlength=53)
  assert counts.max() == 5 and counts.sum() == 240
