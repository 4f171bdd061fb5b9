"""The report of what the benchmarks measured: tables, and a chart of layers.

A record has a `section`, the cells of its `row`, its `column` there, and how
much one run computes: an `amount` of a `unit`. `peers/processes.py` says what
measuring adds.
"""

import pathlib

import numpy as np

from experiments.pictures import BLACK, look, picture
from lstm_jax.files import write_atomically
from scripts.markdown import table


def write_report(results: dict, output: pathlib.Path) -> list[pathlib.Path]:
  """benchmark.md and, where layers were timed, benchmark.png."""
  paths = [output / "benchmark.md"]
  write_atomically(paths[0], benchmark_page(results))
  layers = [r for r in results["records"] if "setting" in r and median(r)]
  if layers:
    paths.append(output / "benchmark.png")
    chart(layers, paths[1])
  return paths


def benchmark_page(results: dict) -> str:
  machine, records = results["machine"], results["records"]
  hardware = [machine[part] for part in ("gpu", "cpu") if part in machine]
  versions = "; ".join(
    f"{peer}: " + ", ".join(f"{n} {v}" for n, v in packages.items())
    for peer, packages in results["versions"].items()
  )
  parts = [
    f"# {results['title']}",
    f"{results['date']}, {', '.join(hardware)}, {machine['cores']} cores,"
    f" {machine['system']}. `{results.get('command', '')}`",
    f"Versions: {versions}.",
    "Median ms and speed; and how many times ours in the same row, above 1 ours"
    " is faster, or the setting of ours.",
  ]
  for section in unique(records, "section"):
    mine = [r for r in records if r["section"] == section]
    parts += [f"## {section}", _comparison(mine)]
  return "\n\n".join([*parts, "## Spread", _spread(records)]) + "\n"


def median(record) -> float | None:
  if record is None or "error" in record or not record.get("seconds"):
    return None
  return float(np.median(record["seconds"]))


def unique(records, name) -> list:
  return list(dict.fromkeys(record[name] for record in records))


def find(records, **fields) -> dict | None:
  for record in records:
    if all(record[name] == value for name, value in fields.items()):
      return record
  return None


def ms(seconds: float) -> str:
  return f"{1e3 * seconds:.{2 if seconds < 0.01 else 1 if seconds < 1 else 0}f}"


def _comparison(records) -> str:
  """The contenders of each row side by side."""
  columns, rows = unique(records, "column"), []
  base = next((c for c in columns if c.startswith("ours")), columns[0])
  for row in unique(records, "row"):
    theirs = [find(records, row=row, column=column) for column in columns]
    ours = median(find(records, row=row, column=base))
    cells = []
    for record in theirs:
      if not (seconds := median(record)):
        cells.append("-")
        continue
      speed = f"{record['amount'] / seconds:,.0f} {record['unit']}/s"
      relation = f"{seconds / ours:.2f}" if ours else "-"
      if record["column"] == base:
        relation = record["process"]
      cells.append(f"{ms(seconds)}, {speed} ({relation})")
    rows.append([*row, *cells])
  return table([*[""] * len(records[0]["row"]), *columns], rows)


def _spread(records) -> str:
  header = ["", "", "min", "25 %", "median", "75 %", "runs"]
  header += ["first call, s", "peak MB", "temporary MB"]
  rows = []
  for r in records:
    if median(r):
      levels = np.percentile(r["seconds"], [0, 25, 50, 75])
      temporary = r["temporary_bytes"]
      rows.append(
        [
          ", ".join([r["section"], *r["row"]]),
          r["column"],
          *map(ms, levels),
          len(r["seconds"]),
          f"{r['first_seconds']:.2f}",
          f"{r['peak_bytes'] / 1e6:.0f}",
          "-" if temporary is None else f"{temporary / 1e6:.1f}",
        ]
      )
  return (
    "ms; the first call compiles; peak is the process's resident memory,"
    " temporary what the compiled program holds besides arguments and"
    f" results.\n\n{table(header, rows)}"
  )


def chart(records, path: pathlib.Path):
  """Bars for each shape: a contender's time over ours, lower is faster."""
  settings = unique(records, "setting")
  sections, names = unique(records, "section"), unique(records, "row")
  peers = [peer for peer in unique(records, "column") if peer != "ours"]
  width = 0.8 / max(len(peers), 1)
  grid = {"nrows": len(settings), "ncols": len(sections), "sharey": "row"}
  with picture(path, height=2.4 * len(settings), **grid) as (_, panels):
    for (i, j), axes in np.ndenumerate(panels):
      here = {"setting": settings[i], "section": sections[j]}
      mine = [row for row in names if row[-1] == settings[i]]
      for x, row in enumerate(mine):
        ours = median(find(records, row=row, column="ours", **here))
        for k, peer in enumerate(peers):
          theirs = median(find(records, row=row, column=peer, **here))
          if ours and theirs:
            place = x + (k - (len(peers) - 1) / 2) * width
            style = {"color": look(k)["color"], "label": peer}
            axes.bar(place, theirs / ours, width, **style)
      axes.axhline(1, color=BLACK, ls="--", label="ours")
      axes.set_xticks(range(len(mine)), [row[0] for row in mine])
      axes.set_xlim(-0.5, len(mine) - 0.5)
      axes.set_title(f"{sections[j]}, {settings[i]}")
      axes.grid(axis="y")
      if j == 0:
        axes.set_ylabel("time / ours; lower is faster")
