"""Curves of runs: which score against what, and how several are drawn."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from experiments.pictures import BLUE, GREY, scale
from experiments.plain_text import significant
from lstm_jax.errors import ConfigError, RunError, suggest

XS = ("step", "sequences", "seconds")
_EACH = 10  # so many curves of one setting are drawn one by one

Run = dict[str, Any]  # of `lstm_jax.read_runs`


class Choice(NamedTuple):
  """What a person chose of a picture."""

  format: str = "png"
  width: str = "page"
  metric: str = ""  # "" is the score that the run watches
  x: str = "step"


def metric_words(metric: str) -> str:
  return metric.replace("_per_", " per ").replace("_", " ")


def choose_metric(runs: list[Run], name: str) -> str:
  """The score to draw, of runs that belong in one picture.

  Raises:
    ConfigError: no run has a score of this name.
    RunError: there is none yet, or the runs are of different tasks or scores.
  """
  scored = [run for run in runs if run.get("metric")]
  if not scored:
    raise RunError(f"{runs[0]['workdir']}: no metrics to plot yet")
  kinds = {}
  for run in scored:
    kind = run["task.name"] if name else (run["task.name"], run["metric"])
    kinds.setdefault(kind, run)
  if len(kinds) > 1:
    texts = [
      f"{run['workdir']} is {metric_words(run['metric'])} of {run['task.name']}"
      for run in list(kinds.values())[:3]
    ]
    raise RunError(
      f"one picture has one score of one task: {', '.join(texts)};"
      " plot them apart"
    )
  if not name:
    return scored[0]["metric"]
  rows = [row for run in scored for row in run["train"] + run["valid"]]
  known = {key.split("/")[-1]: None for row in rows for key in row}
  for key in ("step", "seconds", "epoch", "trial"):
    known.pop(key, None)
  if name not in known:
    raise ConfigError(f'--metric: no "{name}"' + suggest(name, known))
  return name


def curve(run: Run, name: str, x: str) -> np.ndarray:
  """Points [n, 2] of "valid/SCORE", "train/SCORE" or another column.

  Raises:
    RunError: the run did not record `x`.
  """
  rows = run["valid" if name.startswith("valid/") else "train"]
  points = [
    (_place(run, row, x), row[name])
    for row in rows
    if row.get(name) is not None
  ]
  return np.array(points, float).reshape(-1, 2)


def _place(run, row, x) -> float:
  if x == "sequences":
    return row["step"] * run["train.batch_size"]
  if x not in row:
    raise RunError(
      f"{run['workdir']}: --x={x}: an older version trained this run and did"
      f" not record its {x}"
    )
  return row[x]


def x_label(run: Run, x: str) -> str:
  if x == "sequences":
    return "training windows" if "task.window" in run else "training sequences"
  return {"step": "updates", "seconds": "seconds of training"}[x]


def quartiles(
  curves: list[np.ndarray], ended: list[bool]
) -> tuple[np.ndarray, np.ndarray]:
  """Quartiles [3, n] of curves, at the places [n] where all of them are known.

  Between its points a curve is interpolated; one that has ended keeps its last
  value.
  """
  places = np.unique(np.concatenate([c[:, 0] for c in curves]))
  rows = [
    np.interp(places, *c.T, left=np.nan, right=c[-1, 1] if end else np.nan)
    for c, end in zip(curves, ended, strict=True)
  ]
  known = np.isfinite(rows).all(axis=0)
  found = np.percentile(np.array(rows)[:, known], (25, 50, 75), axis=0)
  return places[known], found


def draw_curves(
  axes: Axes,
  runs: list[Run],
  name: str,
  x: str,
  label: str,
  word: str,
  style: dict[str, Any],
):
  """One curve as it is; of several their median, with each of them thin or,
  where they are many, with the quartiles as a band. The legend says which."""
  curves = [(curve(run, name, x), run) for run in runs]
  good = [(c, run) for c, run in curves if len(c) and run["state"] != "failed"]
  failed = sum(run["state"] == "failed" for run in runs)
  note = f", {failed} failed" * bool(failed)
  if not good:
    return
  if len(good) == 1:
    points = good[0][0]
    every = max(1, len(points) // 12)
    axes.plot(*points.T, **style, markevery=every, label=label + note)
    return
  color = style["color"]
  ended = [run["state"] == "finished" for _, run in good]
  places, found = quartiles([c for c, _ in good], ended)
  if len(good) <= _EACH:
    how = "thin: each"
    for points, _ in good:
      axes.plot(*points.T, color=color, lw=0.5, alpha=0.6)
  else:
    how = "band: quartiles"
    axes.fill_between(places, found[0], found[2], color=color, alpha=0.2, lw=0)
  text = f"{label}: median of {len(good)} {word}, {how}{note}".lstrip(": ")
  every = max(1, len(places) // 12)
  axes.plot(places, found[1], **style, markevery=every, label=text)


def more_is_better(run: Run, metric: str) -> bool:
  """As its task says of the score that is watched; of others, by the name."""
  watched = metric == run["metric"]
  return run["higher"] if watched else "accuracy" in metric


def scale_scores(axes: Axes, run: Run, metric: str, values: ArrayLike):
  """Log for errors that span a decade; shares of right answers are as is."""
  if not more_is_better(run, metric):
    scale(axes, "y", values)


def draw_run(axes: Axes, run: Run, trials: list[Run], metric: str, x: str):
  """Training and validation of a run, or of its trials.

  Raises:
    RunError: there is no point to draw.
  """
  many = len(trials) > 1
  train = curve(run, f"train/{metric}", x)
  if not len(train):
    train = curve(run, metric, x)  # another column, as gradient_norm
  each = [curve(trial, f"valid/{metric}", x) for trial in trials]
  values = np.concatenate([c[:, 1] for c in (train, *each)])
  if not len(values):
    raise RunError(f"{run['workdir']}: no metrics to plot yet")
  scale_scores(axes, run, metric, values)
  label = "training" + f", mean of {len(trials)} trials" * many
  if axes.get_yscale() == "linear":
    bounds = _bounds(train, each)
    axes.set_ylim(*bounds)
    if len(train) and train[:, 1].max() > bounds[1]:
      label += f" (from {significant(train[:, 1].max())})"
  if len(train):
    axes.plot(*train.T, color=GREY, lw=0.8, label=label)
  label, best = "validation", run["best_scores"].get(metric)
  if not many and best is not None:
    watched = metric == run["metric"]
    where = "" if watched else f" at the best {metric_words(run['metric'])}"
    label += f", {'best ' * watched}{significant(best)}{where}"
  style = {"color": BLUE, "marker": "o"}
  draw_curves(axes, trials, f"valid/{metric}", x, label, "trials", style)


def _bounds(train, each) -> tuple[float, float]:
  """Of a linear axis: the first losses of training would squeeze the rest."""
  later = train[len(train) // 10 :, 1]
  shown = np.concatenate([later, *(c[:, 1] for c in each)])
  if not len(shown):
    return 0.0, 1.0
  low, high = float(shown.min()), float(shown.max())
  margin = 0.05 * (high - low or abs(high) or 1.0)
  return low - margin, high + margin
