"""Pictures of a sweep, or of any runs together.

hyper_parameters.png   the best validation score against each hyper-parameter
learning_curves.png    validation curves, mean and deviation over the seeds
"""

import math
import pathlib

import numpy as np

from experiments.sweep_summary import Result, group_seeds
from lstm_jax.config import show
from lstm_jax.sweeps import SEED

_CURVES = 10  # as many as colours can be told apart


def plot_results(
  results: list[Result], folder: pathlib.Path
) -> list[pathlib.Path]:
  """Draws what there is to draw into a folder; returns the files."""
  scored = [
    r for r in results if not math.isnan(r.best) and r.state != "failed"
  ]
  names = list({n: None for r in scored for n in r.point if n != SEED})
  paths = []
  if scored and names:
    path = folder / "hyper_parameters.png"
    _plot_hyper_parameters(scored, names, path)
    paths.append(path)
  if scored:
    path = folder / "learning_curves.png"
    _plot_curves(scored, path)
    paths.append(path)
  return paths


def _plot_hyper_parameters(results, names, path):
  plt = _pyplot()
  figure, rows = plt.subplots(
    1,
    len(names),
    figsize=(4 * len(names), 3.5),
    layout="constrained",
    sharey=True,
    squeeze=False,
  )
  for axes, name in zip(rows[0], names, strict=True):
    having = [r for r in results if name in r.point]
    values = [r.point[name] for r in having]
    scores = np.array([r.best for r in having])
    if all(type(v) in (int, float) for v in values):
      places = np.array(values, float)
      if places.min() > 0 and places.max() >= 10 * places.min():
        axes.set_xscale("log")
    else:  # a place for each
      texts = [show(tuple(v) if isinstance(v, list) else v) for v in values]
      ticks = sorted(set(texts))
      places = np.array([ticks.index(text) for text in texts], float)
      axes.set_xticks(range(len(ticks)), ticks)
    axes.plot(places, scores, "o", color="#9ab8d8", ms=5)
    each = np.unique(places)
    if len(each) < len(places):
      means = [scores[places == place].mean() for place in each]
      axes.plot(each, means, "_-", color="#c44e22", ms=14, label="mean")
      axes.legend(frameon=False)
    axes.set_xlabel(name)
    _tidy(axes)
  rows[0][0].set_ylabel(f"best {_words(results)} on validation")
  if min(r.best for r in results) > 0:
    rows[0][0].set_yscale("log")
  figure.savefig(path, dpi=130)
  plt.close(figure)


def seed_band(
  curves: list[list[tuple[int, float]]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Steps, means and standard deviations over seeds [n] each.

  Between validations of its own a curve is interpolated; a run that has ended
  keeps its last score.
  """
  steps = np.unique([step for curve in curves for step, _ in curve])
  rows = [np.interp(steps, *np.array(curve).T) for curve in curves]
  deviations = np.std(rows, axis=0, ddof=1) if len(rows) > 1 else 0 * steps
  return steps, np.mean(rows, axis=0), deviations


def _plot_curves(results, path):
  plt = _pyplot()
  groups = group_seeds(results)
  groups.sort(key=lambda group: np.mean([r.best for r in group[1]]))
  figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
  for name, group in groups[:_CURVES]:
    steps, means, deviations = seed_band([r.curve for r in group])
    (line,) = axes.plot(steps, means, "o-", ms=3, lw=1.2, label=name)
    if len(group) > 1:
      axes.fill_between(
        steps,
        means - deviations,
        means + deviations,
        color=line.get_color(),
        alpha=0.2,
        lw=0,
      )
  axes.set_xlabel("updates")
  axes.set_ylabel(f"{_words(results)} on validation")
  if len(groups) > _CURVES:
    axes.set_title(f"the best {_CURVES} of {len(groups)}")
  _tidy(axes)
  axes.legend(frameon=False, fontsize=8)
  figure.savefig(path, dpi=130)
  plt.close(figure)


def _words(results) -> str:
  return results[0].metric.replace("_per_", " per ").replace("_", " ")


def _tidy(axes):
  axes.grid(alpha=0.25)
  axes.spines[["top", "right"]].set_visible(False)


def _pyplot():
  # Imported late: it takes a second, and complains where HOME is read-only.
  import matplotlib

  matplotlib.use("Agg")
  import matplotlib.pyplot as plt

  return plt
