"""Characters of tiny Shakespeare.

The text is the one file of Karpathy's char-rnn, 1,115,394 characters.
"""

import functools

from experiments.pictures import BLACK, look, whole_ticks
from scripts.papers.base import (
  Row,
  curve_of,
  mean_score,
  parameters,
  read_text,
  validation_curve,
  values,
)

CONFIG = "configs/char_rnn.py"
TEXT = read_text(__file__)
SCORE = "valid/nats_per_char"
MOST, TRANSFORMER = 1.50, 1.4697
measure = functools.partial(validation_curve, score=SCORE)

ROWS = (
  Row(
    "adam",
    "two layers of 384 with dropout, Adam",
    ("adam",),
    {SCORE: MOST},
    tests={"valid": "--split=valid"},
    data="tiny_shakespeare.txt",
    field="task.corpus",
  ),
)


def judge(row: Row, trials) -> tuple[bool, str]:
  """The best validation loss is at most 1.50 nats per character."""
  mean = values(trials, SCORE).mean()
  return mean <= MOST, f"{mean:.3f} is above {MOST:.2f}"


columns = (
  ("bar: validation nats/character", lambda row, trials: f"at most {MOST:.2f}"),
  ("ours", mean_score(SCORE, 4)),
  ("parameters", parameters),
  ("characters a second", mean_score("tokens_per_second")),
)


def plot(rows, axes):
  for row, trials in rows:
    for number, trial in enumerate(trials):
      curve = curve_of(trial)
      style = look(number)
      axes.plot(
        *zip(*curve.items(), strict=True), label=row.description, **style
      )
  label = f"the bar, {MOST:.2f}"
  axes.axhline(MOST, color=BLACK, ls="--", lw=1, label=label)
  label = f"nanoGPT's Transformer, {TRANSFORMER}"
  axes.axhline(TRANSFORMER, color=BLACK, ls=":", lw=1, label=label)
  axes.set_ylim(1.4, 2.2)
  whole_ticks(axes.xaxis)
  axes.set_xlabel("epochs")
  axes.set_ylabel("validation nats per character")
