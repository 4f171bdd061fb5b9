"""What a paper's module holds, and the statistics of its tables.

A module in scripts.papers is data: TITLE, CITATION and INTRODUCTION are texts,
CONFIG is the config file, ROWS the rows of the paper's tables; READINGS and
DIFFERENCES, both tuples of texts, say how the paper was read and what is not
as there. Then there is

  judge(row, trials)   reproduced or not, and why not

and where they are of use

  CONTROLS             rows of a second table, which are not judged
  columns              pairs of a header and a function (row, trials) -> text
  plot(rows, axes)     draws pairs of a row and its trials
  measure(run)         numbers of a finished run directory that no score has: a
                       flat dictionary for each trial
  CAPTION, HEIGHT      below the plot; of the plot in inches

Trials are the records of experiments/results/runs.jsonl, one a trial.
"""

import dataclasses
import importlib
import pathlib
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from lstm_jax.errors import ConfigError, suggest

Trial = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Row:
  name: str
  description: str
  variants: tuple[str, ...]  # of the config file, a run each
  # the paper's numbers, under names that its judge and columns know
  paper: dict[str, float] = dataclasses.field(default_factory=dict)
  seeds: tuple[int, ...] = ()  # a run of each variant with each; () leaves it
  # tests by name, each with what it changes of the task: {"long":
  # "shortest=41,length=500"} gives long/accuracy and so on
  tests: dict[str, str] = dataclasses.field(
    default_factory=lambda: {"test": ""}
  )
  data: str = ""  # the file that the task reads, in the folder --data
  field: str = "task.source"  # of the config, that names the file


class Run(NamedTuple):
  name: str  # of the run directory
  variant: str  # of the config file
  overrides: tuple[str, ...]  # more words of the command


def runs(row: Row) -> list[Run]:
  """The runs that make up a row."""
  if not row.seeds:
    return [Run(variant, variant, ()) for variant in row.variants]
  return [
    Run(f"{variant}-{seed}", variant, (f"--config.train.seed={seed}",))
    for variant in row.variants
    for seed in row.seeds
  ]


def load_paper(name: str) -> ModuleType:
  """The module of a paper.

  Raises:
    ConfigError: there is none of this name.
  """
  files = pathlib.Path(__file__).parent.glob("[a-z]*.py")
  known = sorted({file.stem for file in files} - {"base"})
  if name not in known:
    raise ConfigError(f'--paper: no "{name}"' + suggest(name, known))
  return importlib.import_module(f"scripts.papers.{name}")


def all_rows(paper) -> list[Row]:
  return [*paper.ROWS, *getattr(paper, "CONTROLS", ())]


def succeeded(trials: list[Trial]) -> list[Trial]:
  """The trials that met the stopping rule; all, where there is none."""
  return [trial for trial in trials if trial.get("succeeded", True)]


def values(trials: list[Trial], name: str) -> np.ndarray:
  """What the trials have under a name; None is left out."""
  found = [trial.get(name) for trial in trials]
  return np.array([value for value in found if value is not None], float)


def mean_and_std(numbers: np.ndarray, digits: int = 0) -> str:
  """As "12,345 ± 678", with the sample standard deviation."""
  if not len(numbers):
    return "-"
  text = f"{numbers.mean():,.{digits}f}"
  if len(numbers) > 1:
    text += f" ± {numbers.std(ddof=1):,.{digits}f}"
  return text
