"""The first epochs of AWD-LSTM on the words of the Penn Treebank."""

import functools

from experiments.pictures import BLACK, VERMILLION, scale, whole_ticks
from scripts.papers.base import (
  PTB,
  Row,
  curve_of,
  mean_and_std,
  mean_score,
  paper_score,
  read_text,
  validation_curve,
  values,
)

CONFIG = "configs/awd_lstm.py"
TEXT = read_text(__file__)
EPOCHS = 500
VALID = "valid/perplexity"
measure = functools.partial(validation_curve, score=VALID)

ROWS = (
  Row(
    "ptb-20",
    "the first 20 epochs, 24.2M parameters",
    ("ptb_20",),
    {VALID: 60.7},
    tests={"valid": "--split=valid"},
    **PTB,
  ),
)


def partial(row, trials) -> str:
  return f"{min(len(curve_of(t)) for t in trials)} of {EPOCHS} epochs"


def _ours(row, trials):
  if len(scores := values(trials, VALID)):
    return mean_and_std(scores, 2)
  curves = [list(curve_of(trial).values()) for trial in trials]
  best = [f"{min(curve):.2f}" for curve in curves if curve]
  return f"{', '.join(best)} in 10 streams" if best else "-"


columns = (
  (
    "paper: validation perplexity",
    paper_score(VALID, 1, f" after {EPOCHS} epochs"),
  ),
  ("ours, best so far", _ours),
  ("tokens a second", mean_score("tokens_per_second")),
)


def plot(rows, axes):
  for row, trials in rows:
    label = f"the paper's after {EPOCHS} epochs, before fine-tuning"
    axes.axhline(row.paper[VALID], color=BLACK, ls="--", lw=1, label=label)
    for trial in trials:
      if curve := curve_of(trial):
        style = {"color": VERMILLION, "label": f"ours, {len(curve)} epochs"}
        axes.plot(*zip(*curve.items(), strict=True), "o-", **style)
        scale(axes, "y", [*curve.values(), row.paper[VALID]])
  whole_ticks(axes.xaxis)
  axes.set_xlabel("epochs")
  axes.set_ylabel("validation perplexity")
