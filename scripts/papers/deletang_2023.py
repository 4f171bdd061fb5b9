"""LSTM and RNN columns of the Chomsky hierarchy paper, seven of its tasks."""

from experiments.pictures import BLACK, GREY, VERMILLION
from scripts.papers.base import (
  Row,
  best_percent,
  paper_score,
  read_text,
  values,
)

CONFIG = "configs/deletang_2023.py"
TEXT = read_text(__file__)
SCORE = "long/sequence_accuracy"
TESTS = {"test": "", "long": "--task=shortest=41,length=500"}
GUESS = {"modular_arithmetic": 20, "cycle_navigation": 20, "bucket_sort": 20}
# the paper's Table 2: LSTM, RNN
PAPER = {
  "even_pairs": ("Even Pairs", 100, 100),
  "modular_arithmetic": ("Modular Arithmetic (Simple)", 100, 100),
  "parity": ("Parity Check", 100, 100),
  "cycle_navigation": ("Cycle Navigation", 100, 100),
  "bucket_sort": ("Bucket Sort", 99.3, 27.9),
  "reverse_string": ("Reverse String", 60.9, 62.0),
  "duplicate_string": ("Duplicate String", 57.6, 50.3),
}


def _rows(cell, place):
  return tuple(
    Row(
      f"{name}-{cell}",
      f"{words[0]}, {cell.upper()}",
      (f"{name}-{cell}",),
      {SCORE: words[place]},
      tests=TESTS,
    )
    for name, words in PAPER.items()
  )


ROWS = _rows("lstm", 1)
CONTROLS = _rows("rnn", 2)


def judge(row: Row, trials) -> tuple[bool, str]:
  """The best trial has 99 % of a regular task, 90 % of bucket sort; in the
  others, which it is to fail, between 50 and 65 %."""
  best, paper = 100 * values(trials, SCORE).max(), row.paper[SCORE]
  low, high = (50, 65) if paper < 90 else (99 if paper == 100 else 90, 100)
  return low <= best <= high, f"{best:.1f} % is not in {low} to {high} %"


def _all(row, trials):
  return ", ".join(f"{100 * v:.1f}" for v in values(trials, SCORE)) or "-"


def _updates(row, trials):
  return ", ".join(f"{n:,.0f}" for n in values(trials, "updates")) or "-"


columns = (
  ("paper, best", paper_score(SCORE, 1, " %")),
  ("ours, best", best_percent(SCORE)),
  ("each trial, %", _all),
  ("best at 1 to 40", best_percent("test/sequence_accuracy")),
  ("updates", _updates),
)


def plot(rows, axes):
  for place, (row, trials) in enumerate(rows):
    guess = GUESS.get(row.name.split("-")[0], 50)
    ends = [place - 0.3, place + 0.3]
    axes.plot(ends, [guess] * 2, "--", color=GREY, label="guessing")
    paper = row.paper[SCORE]
    axes.plot(place, paper, "D", color=BLACK, ms=5, label="paper, best")
    found = 100 * values(trials, SCORE)
    style = {"color": VERMILLION, "alpha": 0.7, "label": "ours, a trial"}
    axes.plot([place] * len(found), found, "o", **style)
  names = [row.description.split(",")[0] for row, _ in rows]
  axes.set_xticks(range(len(rows)), [n.replace(" ", "\n") for n in names])
  axes.set_ylim(0, 103)
  axes.set_ylabel("accuracy at 41 to 500 symbols, %")
