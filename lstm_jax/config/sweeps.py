"""Sweeps: lists of points, each of them overrides of a config.

  grid({"optimizer.learning_rate": [1e-3, 1e-2], "train.seed": range(3)})

are six points, and `grid(sample_points(space, 20), {"train.seed": range(3)})`
are 20 random ones with three seeds each. A seed is an axis like any other.
"""

import dataclasses
import hashlib
import itertools
import math
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lstm_jax.config.config import Config, fields, show
from lstm_jax.errors import ConfigError

SEED = "train.seed"

Point = dict[str, Any]  # {"train.seed": 3}
Axes = Mapping[str, Iterable[Any]]

_LONGEST_NAME = 120  # of 255 bytes that a file system takes


@dataclasses.dataclass(frozen=True)
class Uniform:
  """Numbers from low to high; with `log`, their logarithms are uniform."""

  low: float
  high: float
  log: bool = False

  def __post_init__(self):
    if not self.low < self.high or (self.log and self.low <= 0):
      above = "above 0 and " * self.log
      raise ConfigError(f"{self}: low must be {above}below high")

  def draw(self, random_: random.Random) -> float:
    return float(f"{self._draw(random_, self.high):.4g}")

  def _draw(self, random_, high) -> float:
    if not self.log:
      return random_.uniform(self.low, high)
    return math.exp(random_.uniform(math.log(self.low), math.log(high)))


@dataclasses.dataclass(frozen=True)
class Integers(Uniform):
  """Integers from low to high, both included; `log` as in `Uniform`."""

  low: int
  high: int

  def draw(self, random_: random.Random) -> int:
    if not self.log:
      return random_.randint(self.low, self.high)
    return min(int(self._draw(random_, self.high + 1)), self.high)


@dataclasses.dataclass(frozen=True)
class Choice:
  """One of some values, of whatever kind the field has."""

  values: tuple[Any, ...]

  def __post_init__(self):
    if not self.values:
      raise ConfigError("a Choice has no values")

  def draw(self, random_: random.Random) -> Any:
    return random_.choice(self.values)


@dataclasses.dataclass(frozen=True)
class SearchSpace:
  """Where to look, and how many points of it.

  Optuna and Ray choose the points; other launchers take them at random.
  """

  axes: dict[str, Uniform | Integers | Choice]
  trials: int
  seed: int = 0  # of the search, not of the runs

  def __post_init__(self):
    if not isinstance(self.trials, int) or self.trials < 1:
      raise ConfigError(f"trials={self.trials}: must be an integer above 0")
    if not self.axes:
      raise ConfigError("a SearchSpace has no axes")
    for name, axis in self.axes.items():
      if not isinstance(axis, Uniform | Integers | Choice):
        raise ConfigError(
          f"{name}: must be a Uniform, Integers or Choice, got {axis!r}"
        )


def grid(*parts: Axes | list[Point]) -> list[Point]:
  """Every combination of the values; the last field varies fastest.

  A part is values by field, or a list of points.
  """
  factors = []
  for part in parts:
    if isinstance(part, Mapping):
      for name, values in part.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
          raise ConfigError(f"{name}: give a list of values, as [{values!r}]")
        factors.append([{name: value} for value in values])
    else:
      factors.append(part)
  return [_merge(points) for points in itertools.product(*factors)]


def zip_(axes: Axes) -> list[Point]:
  """The first value of every field, then the second, and so on.

  Raises:
    ConfigError: there are more values of one field than of another.
  """
  columns = {name: list(values) for name, values in axes.items()}
  if len({len(values) for values in columns.values()}) > 1:
    counts = ", ".join(f"{len(v)} of {name}" for name, v in columns.items())
    raise ConfigError(f"zip_: as many values of each field, got {counts}")
  rows = zip(*columns.values(), strict=True)
  return [dict(zip(columns, row, strict=True)) for row in rows]


def chain(*sweeps: list[Point]) -> list[Point]:
  """One sweep after the other; a point that comes again is left out."""
  found = {}
  for point in itertools.chain(*sweeps):
    values = (
      (n, tuple(v) if isinstance(v, list) else v) for n, v in point.items()
    )
    found.setdefault(frozenset(values), point)
  return list(found.values())


def sample_points(
  space: SearchSpace, count: int = 0, seed: int = 0
) -> list[Point]:
  """Random points of a search space, each one once: the same ones for the same
  seed.

  count: how many; 0 is as many as the space says, with its own seed. A space
    that has fewer gives those that a hundred times as many draws find.
  """
  random_ = random.Random(seed if count else space.seed)
  wanted, found = count or space.trials, {}
  for _ in range(100 * wanted):
    point = {name: axis.draw(random_) for name, axis in space.axes.items()}
    found.setdefault(repr(point), point)
    if len(found) == wanted:
      break
  return list(found.values())


def name_point(point: Point, config: Config) -> str:
  """A directory's name: "learning_rate=0.001,seed=2".

  A field is named by as much of its end as no other field of the config has, so
  that a point keeps its name whatever other axes a sweep has.
  """
  if not point:
    return "default"
  known = fields(config)
  parts = []
  for name, value in point.items():
    text = show(value).replace(",", "x")
    parts.append(f"{_short_name(name, known)}={text}")
  whole = ",".join(parts)
  name = "".join(c if c.isalnum() or c in "=,.+-_" else "_" for c in whole)
  if name == whole and len(name) <= _LONGEST_NAME:
    return name
  digest = hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]
  return f"{name[: _LONGEST_NAME - 9]}-{digest}"


def override_words(point: Point) -> list[str]:
  """The overrides as words of a command line."""
  return [f"--config.{name}={show(value)}" for name, value in point.items()]


def override(words: Sequence[str], more: Sequence[str]) -> list[str]:
  """The words and `more`, which take the place of those of the same flags."""
  flags = {word.partition("=")[0] for word in more}
  return [w for w in words if w.partition("=")[0] not in flags] + [*more]


def _short_name(name, known) -> str:
  parts = name.split(".")
  for count in range(1, len(parts)):
    end = ".".join(parts[-count:])
    if sum(other == end or other.endswith("." + end) for other in known) == 1:
      return end
  return name


def _merge(points) -> Point:
  merged = {}
  for point in points:
    for name in point:
      if name in merged:
        raise ConfigError(f"grid: two axes set {name}")
    merged |= point
  return merged
