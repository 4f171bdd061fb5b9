"""What a paper's module holds, and the statistics of its tables.

A module in scripts.papers is data: CONFIG is the config file, ROWS the rows of
the paper's tables, and TEXT the page, a Markdown file beside the module: title,
citation, introduction, the plot and what is below it, {results}, how the paper
was read, and what is not as there. Then there are

  columns              pairs of a header and a function (row, trials) -> text
  plot(rows, axes)     draws pairs of a row and its trials, as
                       experiments/pictures.py has pictures look; of several
                       PANELS a list of axes

and, where they are of use,

  judge(row, trials)   reproduced or not, and why not
  CONTROLS             rows of a second table, which are not judged
  measure(run)         numbers of a finished run directory that no score has: a
                       flat dictionary for each trial
  partial(row, trials) how much of the paper's training was done, where that is
                       not all of it; the row is not judged then
  HEIGHT               of the plot in inches

Trials are the records of experiments/results/runs.jsonl, one a trial.
"""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from lstm_jax.errors import ConfigError, suggest
from lstm_jax.run.writers import read_metrics

Trial = dict[str, Any]


class Run(NamedTuple):
  name: str  # of the record, and of the run directory but for `of`
  variant: str  # of the config file
  overrides: tuple[str, ...] = ()  # more words of the command
  # another run, as PAPER/RUN, which is trained if need be and scored once more
  of: str = ""
  # words of experiments.evaluate --tune, which is called before the tests
  search: str = ""
  tests: dict[str, str] | None = None  # in place of the row's


@dataclasses.dataclass(frozen=True)
class Row:
  name: str
  description: str
  variants: tuple[str, ...] = ()  # of the config file, a run each
  # the paper's numbers, under names that its judge and columns know
  paper: dict[str, float] = dataclasses.field(default_factory=dict)
  seeds: tuple[int, ...] = ()  # a run of each variant with each; () leaves it
  runs: tuple[Run, ...] = ()  # in place of those of variants and seeds
  # tests by name, each with words of experiments.evaluate, which scores the
  # test split: {"long": "--task=length=500"} gives long/accuracy and so on
  tests: dict[str, str] = dataclasses.field(
    default_factory=lambda: {"test": ""}
  )
  # further runs, chosen by the trials of the others once all are recorded
  then: Callable[[list[Trial]], list[Run]] | None = None
  data: str = ""  # the file that the task reads, in the folder --data
  field: str = "task.source"  # of the config, that names the file


# The words of the Penn Treebank: Mikolov's ptb.train.txt, ptb.valid.txt and
# ptb.test.txt of simple-examples.tgz, in one zip file.
PTB = {"data": "ptb.zip", "field": "task.corpus"}


def with_seed(variant: str, seed: int) -> Run:
  return Run(f"{variant}-{seed}", variant, (f"--config.train.seed={seed}",))


def runs(row: Row) -> list[Run]:
  """The runs that make up a row, but for those of `row.then`."""
  if row.runs:
    return list(row.runs)
  if not row.seeds:
    return [Run(variant, variant) for variant in row.variants]
  return [with_seed(v, seed) for v in row.variants for seed in row.seeds]


def read_text(file: str) -> str:
  """The page beside a paper's module, which gives its `__file__`."""
  return pathlib.Path(file).with_suffix(".md").read_text("utf-8")


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


# columns, made of a score's name


def paper_score(score: str, digits: int, unit: str = ""):
  """The paper's."""
  return lambda row, trials: f"{row.paper[score]:.{digits}f}{unit}"


def mean_score(score: str, digits: int = 0):
  """Mean and deviation over the trials."""
  return lambda row, trials: mean_and_std(values(trials, score), digits)


def mean_percent(score: str):
  """The same of a fraction."""

  def column(row, trials):
    percent = 100 * values(trials, score)
    return f"{mean_and_std(percent, 1)} %" if len(percent) else "-"

  return column


def best_percent(score: str):
  """The largest fraction of a trial."""

  def column(row, trials):
    found = 100 * values(trials, score)
    return f"{found.max():.1f} %" if len(found) else "-"

  return column


def parameters(row: Row, trials: list[Trial]) -> str:
  return f"{trials[0]['parameters']:,}" if trials else "-"


def solved(row: Row, trials: list[Trial]) -> str:
  return f"{len(succeeded(trials))}/{len(trials)}" if trials else "-"


def draw_solved(axes, rows):
  """Of a plot with a line a row, the first at the top: how many of its trials
  met the rule, at the right."""
  beside = {"transform": axes.get_yaxis_transform(), "va": "center"}
  axes.text(1.01, -1, "solved", fontsize=7, **beside)
  for y, (row, trials) in enumerate(rows):
    text = solved(row, trials) if trials else "not run"
    axes.text(1.01, y, text, fontsize=7, **beside)
  axes.set_ylim(len(rows) - 0.5, -0.5)


def validation_curve(
  workdir: str | pathlib.Path, score: str
) -> list[dict[str, float]]:
  """For `measure`, of a run of one trial: a validation score as curve/EPOCH,
  and the median speed of training as tokens_per_second."""
  lines = read_metrics(workdir)
  curve = {
    f"curve/{round(line['epoch'])}": line[score]
    for line in lines
    if line.get(score) is not None
  }
  speeds = [
    speed
    for line in lines
    for name, speed in line.items()
    if name.endswith("s_per_second")
  ]
  if speeds:
    curve["tokens_per_second"] = float(np.median(speeds))
  return [curve]


def curve_of(trial: Trial) -> dict[int, float]:
  """What `measure` kept as curve/EPOCH, or curve/STEP."""
  return {
    int(name.removeprefix("curve/")): value
    for name, value in trial.items()
    if name.startswith("curve/") and value is not None
  }
