"""Sequences in groups of similar length, so that a batch is padded to the
longest of its group and not to the longest of all."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.array_types import Array, Int, Key


class Group(NamedTuple):
  """What the updates of a call read."""

  rows: Any  # every sequence of the group, [n ...]
  number: Any  # which group it is
  first: Any  # the first update's place in all batches of the group
  step: Any  # that update


def by_length(lengths: Int[Array, "n"], count: int) -> list[np.ndarray]:
  """The rows of each of so many groups, about as many in each, the shortest
  sequences first."""
  order = np.argsort(np.asarray(lengths), kind="stable")
  return np.array_split(order, count)


class Buckets:
  """A source (`data/source.py`) whose calls of updates have one group each.

  A group's batches pass through its sequences again and again, in a new order
  each time. Which group comes when is drawn anew whenever every group has had
  its share; with one update a call that is an epoch, which shows every sequence
  once at most. All of it is a function of the step, so that a run resumes.

  groups: a tree of arrays [n ...] each, n at least the batch size.
  """

  def __init__(self, groups: list[Any], batch_size: int):
    # on the device from the start: calls would copy them again and again
    self._groups = [jax.tree.map(jnp.asarray, group) for group in groups]
    self._batch_size = batch_size
    self._batches = [self._count(group) for group in self._groups]
    self.per_epoch = sum(self._batches)

  def _count(self, group) -> int:
    return len(jax.tree.leaves(group)[0]) // self._batch_size

  def at(self, step: int, steps: int) -> Group:
    """The group of the updates [step, step + steps); shapes are the group's."""
    turn, place = divmod(step // steps, self.per_epoch)
    order = np.repeat(np.arange(len(self._groups)), self._batches)
    np.random.RandomState(turn).shuffle(order)
    number = order[place]
    earlier = turn * self._batches[number] + (order[:place] == number).sum()
    numbers = map(np.int32, (number, earlier * steps, step))
    return Group(self._groups[number], *numbers)

  def take(self, data: Group, step: Int[Array, ""], key: Key[Array, ""]) -> Any:
    """The rows of a step's batch; runs inside jit."""
    count = len(jax.tree.leaves(data.rows)[0])
    batches = count // self._batch_size
    turn, place = jnp.divmod(data.first + step - data.step, batches)
    key = jax.random.fold_in(jax.random.fold_in(key, data.number), turn)
    order = jax.random.permutation(key, count)
    start = place * self._batch_size
    rows = jax.lax.dynamic_slice_in_dim(order, start, self._batch_size)
    return jax.tree.map(lambda a: a[rows], data.rows)
