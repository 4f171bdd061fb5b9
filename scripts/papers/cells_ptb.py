"""Cells compared on the Penn Treebank: an ablation of ours, of no paper."""

import functools
import textwrap

import numpy as np

from configs.cells_ptb import CELLS, RATES
from experiments.pictures import GREY, VERMILLION
from scripts.papers.base import (
  PTB,
  Row,
  curve_of,
  mean_and_std,
  mean_score,
  parameters,
  read_text,
  validation_curve,
  values,
  with_seed,
)

CONFIG = "configs/cells_ptb.py"
TEXT = read_text(__file__)
SCORE = "test/perplexity"
FINAL = "-test"  # names the record of a run that is scored once more
SEEDS = (0, 1, 2)  # of the final score; rates are compared with the first
measure = functools.partial(validation_curve, score="valid/perplexity")
NAMES = {
  "lstm": "LSTM",
  "peephole": "peepholes",
  "coupled": "coupled gates",
  "layer_norm": "layer normalisation",
  "mogrifier": "Mogrifier, 5 rounds",
  "slstm": "sLSTM, 4 heads",
}


def _variant(trial) -> str:
  return trial["run"].removesuffix(FINAL).rpartition("-")[0]


def best_rate(trials) -> str:
  """The variant of the trial of seed 0 whose best validation is lowest."""
  first = [trial for trial in trials if trial["seed"] == 0]
  best = min(first, key=lambda trial: min(curve_of(trial).values()))
  return _variant(best)


def _final_runs(trials):
  """Those whose test split is read; the first was trained to find the rate."""
  first, *more = (
    with_seed(best_rate(trials), seed)._replace(tests={"test": ""})
    for seed in SEEDS
  )
  of = f"cells_ptb/{first.name}"
  return [first._replace(name=first.name + FINAL, of=of), *more]


ROWS = tuple(
  Row(
    cell,
    NAMES[cell],
    tuple(f"{cell}-{rate}" for rate in RATES),
    seeds=SEEDS[:1],
    tests={"valid": "--split=valid"},
    then=_final_runs,
    **PTB,
  )
  for cell in CELLS
)


def _chosen(trials):
  """Those at the best learning rate."""
  return [trial for trial in trials if SCORE in trial]


def _valid(row, trials):
  best = [min(curve_of(trial).values()) for trial in _chosen(trials)]
  return mean_and_std(np.array(best), 2)


def _rates(row, trials):
  """Best validation perplexity at each learning rate, seed 0."""
  found = {
    _variant(t).rpartition("-")[2]: f"{min(curve_of(t).values()):.2f}"
    for t in trials
    if t["seed"] == 0
  }
  return " / ".join(found.get(str(rate), "-") for rate in RATES)


columns = (
  ("test perplexity: mean ± std", mean_score(SCORE, 2)),
  ("validation: mean ± std", _valid),
  (f"validation at {' / '.join(map(str, RATES))}", _rates),
  ("hidden units", lambda row, trials: str(CELLS[row.name][2])),
  ("parameters", parameters),
)


def plot(rows, axes):
  found = [(row, values(_chosen(trials), SCORE)) for row, trials in rows]
  found.sort(key=lambda pair: pair[1].mean() if len(pair[1]) else np.inf)
  for place, (_, scores) in enumerate(found):
    if len(scores):
      mean, ends = scores.mean(), [place - 0.3, place + 0.3]
      label = f"mean of {len(scores)} seeds"
      axes.plot(ends, [mean] * 2, "-", color=GREY, lw=2, label=label)
    xs = [place] * len(scores)
    axes.plot(xs, scores, "o", color=VERMILLION, alpha=0.7, label="a seed")
  names = [
    "\n".join(textwrap.fill(part, 13) for part in row.description.split(", "))
    for row, _ in found
  ]
  axes.set_xticks(range(len(found)), names)
  axes.set_ylabel("test perplexity")
