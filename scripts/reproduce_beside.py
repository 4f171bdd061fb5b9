"""Results of one folder beside those of another, in words of the page."""

import pathlib

from scripts.papers.base import Row
from scripts.reproduce_page import SCORES, verdict
from scripts.reproduce_records import latest, read_results


def beside(
  name: str,
  paper,
  rows: list[Row],
  results: pathlib.Path,
  committed: pathlib.Path,
) -> str:
  """For each row what a page says of it, ours to the left.

  What only the paper says is there once.
  """
  mine, theirs = read_results(results), read_results(committed)
  lines = []
  for row in rows:
    found = latest(mine, name, row), latest(theirs, name, row)
    lines.append((f"{row.name}: {row.description}", "yours", "committed"))
    for title, cell in getattr(paper, "columns", SCORES):
      cells = [cell(row, trials) for trials, _ in found]
      alone = title.startswith("paper") or cells[0] == cells[1] == cell(row, [])
      lines.append((f"  {title}", cells[0], "" if alone else cells[1]))
    if row not in getattr(paper, "CONTROLS", ()):
      words = [verdict(paper, row, *each) for each in found]
      judged = "reproduced" if hasattr(paper, "judge") else "state"
      lines.append((f"  {judged}", *words))
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  return "\n".join(
    "  ".join(t.ljust(n) for t, n in zip(line, widths, strict=True)).rstrip()
    for line in lines
  )
