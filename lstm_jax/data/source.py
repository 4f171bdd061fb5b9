"""Where a task's training data is: in memory, or in a file that is read as the
run goes on.

A task's `batch(data, step, key)` is given what `at` says for that step, so that
neither it nor a training loop needs to know which of them it is.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable


@runtime_checkable
class Source(Protocol):
  def at(self, step: int, steps: int) -> Any:
    """A tree of arrays that the updates [step, step + steps) read. Shapes
    depend on `steps` alone; the same object means the same numbers."""


class Memory(NamedTuple):
  """The same arrays at every step."""

  data: Any

  def at(self, step: int, steps: int) -> Any:
    return self.data


class Placed:
  """A source whose trees are put on devices; one that stays the same, once.

  put: what does that, `jax.device_put` for example.
  """

  def __init__(self, source: Source, put: Callable[[Any], Any]):
    self._source, self._put = source, put
    self._seen = self._there = None

  def at(self, step: int, steps: int) -> Any:
    tree = self._source.at(step, steps)
    if self._there is None or tree is not self._seen:
      self._seen, self._there = tree, self._put(tree)
    return self._there
