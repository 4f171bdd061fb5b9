"""State tracking against recall, the contrast that xLSTM is built on."""

from experiments.pictures import BLACK, BLUE, VERMILLION
from scripts.papers.base import Row, mean_percent, read_text, values

CONFIG = "configs/beck_2024.py"
TEXT = read_text(__file__)
CELLS = {
  "lstm": "LSTM",
  "slstm": "sLSTM",
  "matrix_lstm": "mLSTM",
  "min_lstm": "minLSTM",
}
GUESS = {"parity": 1 / 2, "recall": 1 / 8}
LONG = {"test": "", "long": "--task=shortest=256,length=256"}

ROWS = (
  *(
    Row(f"parity-{cell}", f"parity, {name}", (f"parity-{cell}",), tests=LONG)
    for cell, name in CELLS.items()
  ),
  *(
    Row(f"recall-{cell}", f"recall, {CELLS[cell]}", (f"recall-{cell}",))
    for cell in ("lstm", "slstm", "matrix_lstm")
  ),
)


def _score(row):
  return "long/accuracy" if "long" in row.tests else "test/accuracy"


def _wanted(row) -> tuple[float, float]:
  """The accuracies between which the mean has to be."""
  task, cell = row.name.split("-")
  good = cell in (("lstm", "slstm") if task == "parity" else ("matrix_lstm",))
  if good:
    return (0.99 if task == "parity" else 0.9), 1.0
  return 0.0, 0.6


def judge(row: Row, trials) -> tuple[bool, str]:
  """Who can has 99 % (parity) or 90 % (recall), who cannot at most 60 %."""
  low, high = _wanted(row)
  mean = values(trials, _score(row)).mean()
  return low <= mean <= high, f"{mean:.1%} is not in {low:.0%} to {high:.0%}"


def _ours(row, trials):
  return mean_percent(_score(row))(row, trials)


def _short(row, trials):
  long = "long" in row.tests
  return mean_percent("test/accuracy")(row, trials) if long else "-"


def _bar(row, trials):
  low, high = _wanted(row)
  return f"at least {low:.0%}" if low else f"at most {high:.0%}"


columns = (
  ("reproduced means", _bar),
  ("ours: mean ± std", _ours),
  ("parity at the lengths of training", _short),
)


def plot(rows, axes):
  for place, (row, trials) in enumerate(rows):
    task = row.name.split("-")[0]
    x = place + (task == "recall")
    accuracy = values(trials, _score(row))
    colour = BLUE if task == "parity" else VERMILLION
    if len(accuracy):
      label = f"{task}, mean"
      axes.bar(x, accuracy.mean(), 0.6, color=colour, alpha=0.35, label=label)
    xs = [x] * len(accuracy)
    axes.plot(xs, accuracy, "o", color=colour, label=f"{task}, a trial")
    ends = [x - 0.45, x + 0.45]
    axes.plot(ends, [GUESS[task]] * 2, "--", color=BLACK, label="guessing")
  places = [
    p + row.name.startswith("recall") for p, (row, _) in enumerate(rows)
  ]
  labels = [row.description.replace(", ", "\n") for row, _ in rows]
  axes.set_xticks(places, labels)
  axes.set_ylim(0, 1.02)
  axes.set_ylabel("accuracy")
