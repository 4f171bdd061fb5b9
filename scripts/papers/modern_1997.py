"""The tasks of 1997, learned as one would now: every seed solves them."""

from experiments.pictures import BLACK, BLUE, VERMILLION, scale
from scripts.papers import hochreiter_1997
from scripts.papers.base import (
  Row,
  draw_solved,
  mean_and_std,
  parameters,
  read_text,
  solved,
  succeeded,
  values,
)

CONFIG = "configs/modern_1997.py"
TEXT = read_text(__file__)

# by variant: description, the row of the 1997 paper, right sequences of 256
TASKS = {
  "1": ("embedded Reber grammar", "1-3x2-0.5", "all 512 strings"),
  "2a": ("noise-free sequences, lag 100", "2a", "256"),
  "2b": ("no local regularities, lag 100", "2b", "256"),
  "2c": ("very long lag, 100, 100 distractors", "2c-100-100", "256"),
  "3a": ("two-sequence problem, T = 100, N = 3", "3a-100-3", "256"),
  "3b": ("the same, noise on the signal too", "3b-100-3", "251"),
  "3c": ("the same, noisy targets", "3c-100-3", "256"),
  "4": ("adding, T = 100", "4-100", "254"),
  "5": ("multiplication, T = 100", "5-140", "254"),
  "6a": ("temporal order of two symbols", "6a", "256"),
  "6b": ("temporal order of three symbols", "6b", "256"),
}
_KNOWN = {row.name: row.paper for row in hochreiter_1997.ROWS}
ROWS = tuple(
  Row(name, description, (name,), {"sequences": _KNOWN[row]["sequences_0"]})
  for name, (description, row, _) in TASKS.items()
)


def judge(row: Row, trials) -> tuple[bool, str]:
  """Every trial meets the rule; in 2a nine of ten do."""
  good = len(succeeded(trials))
  needed = 0.9 if row.name == "2a" else 1.0
  enough = good >= needed * len(trials)
  return enough, f"{good} of {len(trials)} trials solved it"


def _batch(row) -> int:
  return 64 if row.name == "5" else 32


def _updates(row, trials):
  return mean_and_std(values(succeeded(trials), "met_0"))


def _sequences(row, trials):
  return mean_and_std(_batch(row) * values(succeeded(trials), "met_0"))


def _right(row, trials):
  wrong = values(succeeded(trials), "test/wrong_sequences")
  return f"{100 * (1 - wrong.mean()):.2f} %" if len(wrong) else "-"


columns = (
  ("rule: right of 256", lambda row, trials: TASKS[row.name][2]),
  ("solved", solved),
  ("updates", _updates),
  ("sequences", _sequences),
  ("1997: sequences", lambda row, trials: f"{row.paper['sequences']:,}"),
  ("test sequences right", _right),
  ("parameters", parameters),
)
HEIGHT = 3.4


def plot(rows, axes):
  for y, (row, trials) in enumerate(rows):
    paper = row.paper["sequences"]
    axes.plot(paper, y, "D", color=BLACK, label="1997, mean")
    good = succeeded(trials)
    met = _batch(row) * values(good, "met_0")
    style = {"color": BLUE, "alpha": 0.5, "label": "now, a trial"}
    axes.plot(met, [y] * len(met), "o", **style)
    left = [t for t in trials if t not in good]
    failed = _batch(row) * values(left, "updates")
    style = {"color": VERMILLION, "label": "now, a trial that failed"}
    axes.plot(failed, [y] * len(failed), "x", ms=6, **style)
  axes.set_yticks(
    range(len(rows)), [f"{row.name}  {row.description}" for row, _ in rows]
  )
  draw_solved(axes, rows)
  scale(axes, "x", [1000, 1_000_000])
  axes.set_xlabel("training sequences")
  axes.grid(axis="x")
