"""Counting: how far networks generalise that learned short strings."""

from experiments.pictures import BLACK, VERMILLION, scale
from scripts.papers.base import Row, read_text

CONFIG = "configs/gers_schmidhuber_2001.py"
TEXT = read_text(__file__)


def _row(name, language, trained, bounds, factor):
  """Tests are ranges of n that follow each other."""
  tests = {f"to_{trained}": f"--task=smallest=1,largest={trained}"}
  for low, high in zip((trained, *bounds), bounds, strict=False):
    tests[f"to_{high}"] = f"--task=smallest={low + 1},largest={high}"
  return Row(
    name,
    f"{language}, learned to n = {trained}",
    (name,),
    {"trained": trained, "wanted": factor * trained},
    tests=tests,
  )


ROWS = (
  _row("ab", "a^n b^n", 10, (20, 50, 100, 200, 500, 1000), 10),
  _row("abc", "a^n b^n c^n", 40, (60, 80, 100, 150, 200, 400), 2),
)


def reach(row: Row, trial) -> int:
  """The end of the last range up to which every string is accepted."""
  last = 0
  for test in row.tests:
    if trial[f"{test}/wrong"]:
      break
    last = int(test.removeprefix("to_"))
  return last


def judge(row: Row, trials) -> tuple[bool, str]:
  """The best trial accepts all n to 10 times (a^n b^n) or twice (a^n b^n c^n)
  the longest of training."""
  best = max(reach(row, trial) for trial in trials)
  return best >= row.paper["wanted"], f"the best trial reaches n = {best}"


def _learned(row, trials):
  good = sum(reach(row, t) >= row.paper["trained"] for t in trials)
  return f"{good}/{len(trials)}" if trials else "-"


def _best(row, trials):
  return f"{max(reach(row, t) for t in trials):,}" if trials else "-"


def _median(row, trials):
  found = sorted(reach(row, trial) for trial in trials)
  return f"{found[(len(found) - 1) // 2]:,}" if found else "-"


columns = (
  (
    "reproduced means: best reaches",
    lambda row, trials: f"n = {row.paper['wanted']}",
  ),
  ("ours: all strings of training right", _learned),
  ("best trial reaches n =", _best),
  ("median trial reaches n =", _median),
)


def plot(rows, axes):
  for place, (row, trials) in enumerate(rows):
    found = sorted(max(reach(row, trial), 1) for trial in trials)
    xs = [place + 0.07 * number for number in range(len(found))]
    style = {"color": VERMILLION, "label": "a trial"}
    axes.plot(xs, found, "o", **style)
    ends = place - 0.05, place + 0.68
    for name, line, label in (
      ("trained", "-", "the longest n of training"),
      ("wanted", "--", "what counts as reproduced"),
    ):
      heights = [row.paper[name]] * 2
      axes.plot(ends, heights, line, color=BLACK, label=label)
  scale(axes, "y", [1, 1000])
  axes.set_ylim(bottom=1)
  axes.set_xticks(
    [place + 0.31 for place in range(len(rows))],
    [row.description for row, _ in rows],
  )
  axes.set_ylabel("n up to which all strings are accepted")
