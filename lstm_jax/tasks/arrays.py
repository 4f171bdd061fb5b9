"""A user's own sequences: arrays of an .npz file, or rows of a CSV file.

Numbers are standardised by the training split's means and deviations, errors
are reported in the data's own unit. What is needed to use a model is kept with
its run (`data/array_facts.py`).
"""

import csv
import dataclasses
import io
import pathlib
from typing import Any, ClassVar

import numpy as np

from lstm_jax.data import columns, tables
from lstm_jax.data.array_facts import (
  GOALS,
  Facts,
  learn_facts,
  read_facts,
  targets_of,
)
from lstm_jax.data.columns import Arrays
from lstm_jax.data.inputs import Frames, Tokens, tokens_or_frames
from lstm_jax.errors import ConfigError, DataError
from lstm_jax.files import existing_path
from lstm_jax.tasks.arrays_task import ArraysTask
from lstm_jax.tasks.base import Score, Spec, TaskConfig

_CSV = ("target", "group", "window", "ahead")


@dataclasses.dataclass(slots=True)
class ArraysConfig(TaskConfig):
  CHOICES: ClassVar = {"goal": GOALS}
  RANGES: ClassVar = {
    "window": (1, 10**6),
    "ahead": (1, 10**6),
    "percent": (1, 98),
    "split_seed": (0, 2**32 - 1),
    "buckets": (1, 10**4),
  }

  name: str = "arrays"
  # an .npz file with inputs, and perhaps targets and lengths; a .csv file; or
  # "sklearn:digits" or "generated:waves", which need no file
  data: str = "sklearn:digits"
  # "classification" or "regression" of targets, or "next_step", which says the
  # inputs one timestep ahead
  goal: str = "classification"
  # CSV: the column that is asked for
  target: str = ""
  # CSV: the rows with one value of this column are a sequence; empty is windows
  group: str = ""
  # CSV without a group: rows of a window, and how many rows after its last one
  # the target is
  window: int = 32
  ahead: int = 1
  # shares of the train, valid and test splits, where the file has no others:
  # windows of a CSV file in order of time, all else shuffled
  percent: tuple[int, ...] = (80, 10, 10)
  # that shuffle
  split_seed: int = 0
  # bring numbers to mean 0 and deviation 1
  standardise: bool = True
  # groups of similar length; a batch is padded to the longest of its group
  buckets: int = 1

  @property
  def headline(self) -> Score:
    """Of next_step, that of numbers."""
    if self.goal == "classification":
      return Score("accuracy", higher=True)
    return Score("rmse")

  @property
  def csv(self) -> bool:
    return self.data.lower().endswith(".csv")

  def check(self):
    if len(self.percent) != 3 or sum(self.percent) != 100:
      raise ConfigError(
        "task.percent: must be three shares that add up to 100, as 80,10,10"
      )
    if self.csv and not self.target and self.goal != "next_step":
      raise ConfigError(
        f"task.target: give the column that is asked for; only task.goal"
        f' "next_step" has none, and this one is "{self.goal}"'
      )
    if self.group and self.group == self.target:
      raise ConfigError(f'task.group: "{self.group}" is the target')

  def unread(self, with_assets: bool) -> dict[str, str]:
    if not self.csv:
      return dict.fromkeys(_CSV, "it is for a .csv file")
    found: dict[str, str] = {}
    if self.goal == "next_step":
      why = 'with the goal "next_step" the inputs are the targets'
      found |= dict.fromkeys(("target", "ahead"), why)
    if self.group:
      why = "with task.group a sequence is the rows of a group"
      found |= dict.fromkeys(("window", "ahead"), why)
    else:
      found["split_seed"] = "windows are split by time; nothing is shuffled"
    return found

  def spec(self, assets: dict[str, Any] | None = None) -> Spec | None:
    """Raises DataError where the assets are damaged."""
    if not assets:
      return None
    facts = read_facts(assets)
    family, inputs = "tokens", facts.symbols
    if facts.shape:  # an image's is whole
      family, inputs = "frames", tuple(facts.shape)
      inputs = inputs[0] if len(inputs) == 1 else inputs
    if facts.classes is not None:
      return Spec(family, inputs, len(facts.classes))
    return Spec(family, inputs, len(facts.outputs), "squared_error")

  def load(
    self, batch_size: int, assets: dict[str, Any] | None = None
  ) -> ArraysTask:
    """Reads the data.

    Raises:
      DataError: names the file, the array or column, and what is wrong.
      ConfigError: there are too few samples for a batch.
    """
    facts = read_facts(assets) if assets else None
    if facts and facts.goal != self.goal:
      raise ConfigError(
        f'task.goal: the assets are those of a run with the goal "{facts.goal}"'
      )
    splits, features = self._read(facts)
    for arrays in splits.values():  # errors count samples as the file does
      if self.goal != "next_step":
        targets_of(arrays, self.goal)
      elif arrays.inputs.shape[1] < 2:
        raise DataError(f"{arrays.where}inputs: next_step needs 2 timesteps")
    splits = columns.cut_splits(splits, self.percent, self.split_seed)
    if not facts:
      facts = learn_facts(
        splits, self.goal, self.standardise, features, self.target
      )
    return ArraysTask(self, batch_size, splits, facts)

  def _read(self, facts: Facts | None) -> tuple[dict[str, Arrays], list[str]]:
    if self.data in columns.BUILT_IN:
      return {"train": columns.BUILT_IN[self.data]()}, []
    path = _path(self.data)
    if not self.csv:
      return columns.read_npz(path), []
    table = tables.read_table(path)
    if self.target:
      table.column(self.target, "task.target")
    left = (self.group, self.target) if self.group else ()
    names = facts.features if facts else tables.feature_names(table, *left)
    if not self.group:
      return self._windows(table, names), names
    train = tables.take_groups(table, names, self.group, self.target)
    return {"train": train}, names

  def _windows(self, table, names) -> dict[str, Arrays]:
    """By time; no window crosses a border."""
    ends = np.cumsum([0, *self.percent]) * table.rows // 100
    next_step = self.goal == "next_step"
    return {
      split: tables.take_windows(
        table,
        names,
        self.window + next_step,
        target=self.target,
        ahead=0 if next_step else self.ahead,
        # the last row of one is the first of the next, so that each is said
        stride=self.window if next_step else 1,
        part=slice(first, last),
      )
      for split, first, last in zip(
        columns.SPLITS, ends[:-1], ends[1:], strict=True
      )
    }

  # for `generate`

  def request_file(self, file: str, assets: dict[str, Any]) -> Tokens | Frames:
    """The inputs of new data, whose targets nobody needs to know; of a CSV file
    every window of rows, or for next_step all rows as one sequence.

    Raises:
      DataError: the file cannot be read, or is other data than at training.
    """
    facts, path = read_facts(assets), _path(file)
    if not file.lower().endswith(".csv"):
      arrays = columns.read_npz(path)["train"]
    else:
      table = tables.read_table(path)
      names = facts.features or tables.feature_names(table)
      if self.group:
        arrays = tables.take_groups(table, names, self.group, "")
      else:
        whole = self.goal == "next_step"
        window = table.rows if whole else self.window
        arrays = tables.take_windows(table, names, window)
    arrays = arrays._replace(targets=None)
    return tokens_or_frames(facts.encode(arrays).inputs, arrays.mask())

  def say_file(
    self, prediction: Any, inputs: Tokens | Frames, assets: dict[str, Any]
  ) -> list[str]:
    """Answers as CSV: a line a sample, or each of its timesteps, both from 0
    on; the class, or the numbers in their own unit. Those of next_step are what
    comes after the timestep."""
    facts, table = read_facts(assets), io.StringIO()
    said = facts.in_words(np.asarray(prediction))
    names = ["prediction"] if facts.classes is not None else facts.outputs
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["sample", *["timestep"] * (not facts.at_end), *names])
    for sample, mask in enumerate(np.asarray(inputs.mask)):
      steps = np.flatnonzero(mask)
      for step in steps[-1:] if facts.at_end else steps:
        where = [sample] if facts.at_end else [sample, step]
        value = [said[sample][step]]
        if facts.classes is None:
          value = [f"{number:.7g}" for number in value[0]]
        writer.writerow([*where, *value])
    return table.getvalue().splitlines()


def _path(typed: str) -> pathlib.Path:
  if path := existing_path(typed):
    return path
  built_in = " or ".join(columns.BUILT_IN)
  raise DataError(
    f'"{typed}": no such file; give an .npz or .csv file, or {built_in}'
  )
