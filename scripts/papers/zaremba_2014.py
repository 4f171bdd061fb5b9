"""Words of the Penn Treebank with the networks of Zaremba et al. 2014."""

import functools

import numpy as np

from configs.zaremba_2014 import RECIPES
from experiments.pictures import BLACK, look, whole_ticks
from scripts.papers.base import (
  PTB,
  Row,
  curve_of,
  mean_and_std,
  mean_score,
  paper_score,
  parameters,
  read_text,
  validation_curve,
  values,
)

CONFIG = "configs/zaremba_2014.py"
TEXT = read_text(__file__)
SCORE = "test/perplexity"
VALID = {"small": 120.7, "medium": 86.2}  # the paper's
measure = functools.partial(validation_curve, score="valid/perplexity")
# test perplexity of the paper, and the largest mean that counts as reproduced
PAPER = {"small": (114.5, 116.5), "medium": (82.7, 84.0)}

ROWS = tuple(
  Row(
    variant,
    description,
    (variant,),
    {SCORE: PAPER[variant][0]},
    seeds=seeds,
    **PTB,
  )
  for variant, description, seeds in (
    ("small", "2 x 200, 13 epochs, no dropout", (0, 1, 2)),
    ("medium", "2 x 650, 39 epochs, dropout 0.5", (0,)),
  )
)


def judge(row: Row, trials) -> tuple[bool, str]:
  """The mean is at most 2 (small) or 1.3 (medium) above the paper's."""
  mean, (_, most) = values(trials, SCORE).mean(), PAPER[row.name]
  return mean <= most, f"mean {mean:.2f} is above {most}"


def partial(row, trials) -> str:
  done = [len(curve_of(t)) for t in trials if "updates_done" in t]
  return f"{min(done)} of {RECIPES[row.name].epochs} epochs" if done else ""


def _valid(row, trials):
  best = [min(curve_of(t).values()) for t in trials if curve_of(t)]
  text = mean_and_std(np.array(best), 2)
  return f"{VALID[row.name]} / {text}"


columns = (
  ("paper: test perplexity", paper_score(SCORE, 1)),
  ("ours: mean ± std", mean_score(SCORE, 2)),
  ("best on validation, paper / ours", _valid),
  ("parameters", parameters),
)


def plot(rows, axes):
  for number, (row, trials) in enumerate(rows):
    style, last = look(number), RECIPES[row.name].epochs
    name = f"{row.name}, {row.description.partition(',')[0]}"
    for trial in trials:
      if curve := curve_of(trial):
        line = style | {"marker": "", "label": f"{name}: validation"}
        axes.plot(list(curve), list(curve.values()), **line)
    ours = values(trials, SCORE)
    dots = style | {"linestyle": "", "alpha": 0.7, "label": f"{name}: test"}
    axes.plot([last] * len(ours), ours, **dots)
    paper = {"color": BLACK, "label": "the paper's test"}
    axes.plot(last, row.paper[SCORE], "_", ms=14, **paper)
  axes.set_ylim(70, 200)
  whole_ticks(axes.xaxis)
  axes.set_xlabel("epochs")
  axes.set_ylabel("perplexity")
