"""Pictures of a sweep, or of any runs together.

hyper_parameters.png   the best validation score against each hyper-parameter
learning_curves.png    validation curves: each seed's, or median and quartiles
"""

import collections
import math
import pathlib
from typing import Any

import numpy as np

from experiments.curves import (
  Choice,
  Run,
  choose_metric,
  curve,
  draw_curves,
  metric_words,
  more_is_better,
  scale_scores,
  x_label,
)
from experiments.pictures import (
  BLACK,
  BLUE,
  VERMILLION,
  look,
  picture,
  scale,
  shorten,
)
from experiments.sweep_results import Result, text
from experiments.sweep_summary import group_seeds, rank
from lstm_jax.config.sweeps import SEED
from lstm_jax.errors import RunError

_CURVES = 6  # as many as can be told apart
_PANELS = 6


def plot_results(
  results: list[Result], folder: pathlib.Path, choice: Choice = Choice()
) -> list[pathlib.Path]:
  """Draws what there is to draw into a folder; returns the files.

  Raises:
    ConfigError: no run has the score that was chosen.
    RunError: nothing to plot yet, or the runs are of different tasks.
  """
  metric = choose_metric([r.run for r in results if r.run], choice.metric)
  scored = [r for r in results if not math.isnan(r.score(metric))]
  if not scored:
    raise RunError(f"{results[0].name}: no metrics to plot yet")
  folder.mkdir(parents=True, exist_ok=True)
  paths = []
  if names := _axes(scored):
    paths.append(folder / f"hyper_parameters.{choice.format}")
    _plot_hyper_parameters(results, names, metric, choice, paths[-1])
  if any(r.state != "failed" for r in scored):
    paths.append(folder / f"learning_curves.{choice.format}")
    _plot_curves(scored, metric, choice, paths[-1])
  return paths


def _axes(results) -> list[str]:
  """The hyper-parameters that have a panel: a sweep's axes; of other runs the
  fields that vary by themselves, unless these are too many."""
  names = dict.fromkeys(n for r in results for n in r.point if n != SEED)
  columns = {n: [text(r.point.get(n)) for r in results] for n in names}
  columns = {n: c for n, c in columns.items() if len(set(c)) > 1}
  if all(r.designed for r in results):
    return list(columns)
  settings = len(set(zip(*columns.values(), strict=True)))

  def alone(name):
    """No other field says the same of the runs."""
    count = len(set(columns[name]))
    return count == settings > 2 or not any(
      len(set(zip(columns[name], other, strict=True)))
      == count
      == len(set(other))
      for other_name, other in columns.items()
      if other_name != name
    )

  found = [name for name in columns if alone(name)]
  return found if len(found) <= _PANELS else []


def _plot_hyper_parameters(results, names, metric, choice, path):
  drawn = names[:_PANELS]
  across = min(len(drawn), 2 if choice.width == "column" else 3)
  down = -(-len(drawn) // across)
  height = 2.0 * down if across > 1 else 2.6
  grid = {"nrows": down, "ncols": across, "sharey": True}
  with picture(path, choice.width, height, **grid) as (figure, panels):
    for axes, name in zip(panels.flat, drawn, strict=False):
      _panel(axes, [r for r in results if name in r.point], name, metric)
    for axes in list(panels.flat)[len(drawn) :]:
      axes.set_axis_off()
    scores = [r.score(metric) for r in results]
    scale_scores(panels[0, 0], _watching(results), metric, scores)
    for row in panels:
      row[0].set_ylabel(_score_label(results, metric))
    if len(names) > len(drawn):
      figure.suptitle(f"{len(drawn)} of {len(names)} hyper-parameters")


def _panel(axes, results, name, metric):
  """The score of each run, the median at each value, and the best setting."""
  values = [single(r.point[name]) for r in results]
  ticks = order_values(values)
  numbers = all(isinstance(v, int | float) for v in ticks)
  places = {text(v): float(v if numbers else k) for k, v in enumerate(ticks)}
  if numbers:
    scale(axes, "x", ticks)
  else:
    axes.set_xlim(-0.5, len(ticks) - 0.5)
  if not numbers or len(ticks) <= 6:
    labels = [shorten(text(v), 24) for v in ticks]
    axes.set_xticks([places[text(v)] for v in ticks], labels)
    axes.minorticks_off()
  x = np.array([places[text(v)] for v in values])
  scores = np.array([r.score(metric) for r in results])
  failed = np.array([r.state == "failed" for r in results])
  ended = np.array([r.state == "finished" for r in results])
  good = np.isfinite(scores) & ~failed
  run = {"ls": "", "ms": 3, "alpha": 0.6, "marker": "o", "color": BLUE}
  for chosen, style, label in (
    (good & ended, {}, "a run"),
    (good & ~ended, {"mfc": "none"}, "a run that has not ended"),
  ):
    axes.plot(x[chosen], scores[chosen], label=label, **run, **style)
  if failed.any():
    style = {"transform": axes.get_xaxis_transform(), "clip_on": False}
    style |= {"ls": "", "marker": "x", "color": VERMILLION}
    axes.plot(x[failed], [1] * failed.sum(), label="failed, no score", **style)
  each = np.unique(x[good])
  if len(each) < good.sum():
    middle = [np.median(scores[good & (x == place)]) for place in each]
    style = {"color": BLACK, "marker": "_", "ms": 9, "lw": 1}
    style["ls"] = "-" if numbers else ""
    axes.plot(each, middle, label="median of the runs", **style)
  means = collections.defaultdict(list)  # of the settings at each place
  for _, group in group_seeds(results):
    place = places[text(single(group[0].point[name]))]
    seeds = [r.score(metric) for r in group if r.state != "failed"]
    means[place].append(np.mean(seeds or [np.nan]))
  several = any(len(settings) > 1 for settings in means.values())
  if several:
    better = more_is_better(_watching(results), metric)
    choose = np.nanmax if better else np.nanmin
    best = {p: choose(m) for p, m in means.items() if np.isfinite(m).any()}
    style = {"color": VERMILLION, "marker": "v", "lw": 1}
    style["ls"] = "--" if numbers else ""
    label = "best setting, mean of its seeds"
    axes.plot(*np.transpose(sorted(best.items())), label=label, **style)
  axes.set_xlabel(name)
  axes.grid()


def single(value: Any) -> Any:
  """A list of one is its element."""
  is_one = isinstance(value, list | tuple) and len(value) == 1
  return value[0] if is_one else value


def order_values(values: list) -> list:
  """Each value once: numbers by size, then lists by theirs, then words in the
  order of the sweep."""
  once = list({text(v): v for v in values}.values())

  def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)

  def key(value):
    if is_number(value):
      return (0, [value])
    if isinstance(value, list | tuple) and all(map(is_number, value)):
      return (1, list(value))
    return (2, [])

  return sorted(once, key=key)


def _plot_curves(results, metric, choice, path):
  groups = rank(group_seeds([r for r in results if r.state != "failed"]))
  failed = {
    label: [r for r in group if r.state == "failed"]
    for label, group in group_seeds(results)
  }
  height = 2.4 if choice.width == "column" else 3.4
  with picture(path, choice.width, height) as (_, grid):
    axes, values = grid[0, 0], []
    for number, (label, group) in enumerate(groups[:_CURVES]):
      runs = [
        r.run | {"state": r.state} for r in (*group, *failed.get(label, ()))
      ]
      seeds = len({r.point.get(SEED) for r in group}) == len(group)
      word = "seeds" if seeds else "runs"
      name = f"valid/{metric}"
      draw_curves(
        axes, runs, name, choice.x, shorten(label, 60), word, look(number)
      )
      values += [v for run in runs for v in curve(run, name, choice.x)[:, 1]]
    scale_scores(axes, _watching(results), metric, values)
    axes.set_xlabel(x_label(results[0].run, choice.x))
    axes.set_ylabel(f"{metric_words(metric)} on validation")
    if len(groups) > _CURVES:
      axes.set_title(f"the best {_CURVES} of {len(groups)} settings")
    axes.grid()


def _watching(results: list[Result]) -> Run:
  """The first of the runs that has a score; all watch the same."""
  return next(r.run for r in results if r.run.get("metric"))


def _score_label(results, metric) -> str:
  watched = _watching(results)["metric"]
  if metric == watched:
    return f"best {metric_words(metric)}\non validation"
  return f"{metric_words(metric)} at\nthe best {metric_words(watched)}"
