"""Made-up results of a benchmark, and the rows of its report."""


def made_up(groups, seconds) -> dict:
  """Results in which `seconds(record)` are the times; None is an error."""
  records = [dict(record) for group in groups for record in group]
  for record in records:
    times = seconds(record)
    if times is None:
      record["error"] = "no such module"
    else:
      record |= {
        "seconds": times,
        "first_seconds": 1.5,
        "peak_bytes": 3 * 10**6,
      }
  return {
    "date": "2026-01-01",
    "machine": {"cpu": "abacus", "cores": 2, "system": "wood"},
    "versions": {"ours": {"jax": "1.2"}},
    "records": records,
  }


def row(text: str, *start: str) -> list[str]:
  """The cells of the only table row that starts so."""
  rows = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in text.splitlines()
    if line.startswith("|")
  ]
  (found,) = [cells for cells in rows if cells[: len(start)] == list(start)]
  return found
