"""Tables and a chart of what scripts.benchmark_lstm measured.

  python -m scripts.benchmark_report --output=runs/benchmark

writes benchmark.md and benchmark.png again from benchmark.json.
"""

import json
import pathlib

import numpy as np
from absl import flags

from experiments.command_line import new_flags, parse_flags, run_command
from lstm_jax.errors import UserError
from lstm_jax.files import write_atomically
from scripts.benchmark_chart import chart
from scripts.benchmark_records import find, median, section, unique


def write(results: dict, output: pathlib.Path) -> list[pathlib.Path]:
  """benchmark.md and, where layers were timed, benchmark.png."""
  paths = [output / "benchmark.md"]
  write_atomically(paths[0], markdown(results))
  if any(median(r) for r in section(results, "layers")):
    paths.append(output / "benchmark.png")
    chart(results, paths[1])
  return paths


def markdown(results: dict) -> str:
  parts = [
    "# LSTM benchmark",
    *circumstances(results),
    *_layer_tables(results),
    *_gemm_table(results),
    *_length_table(results),
    *_extremes_table(results),
    *_spread_table(results),
  ]
  return "\n\n".join(parts) + "\n"


def circumstances(results: dict) -> tuple[str, str]:
  """When, where and with which versions it was measured."""
  machine = results["machine"]
  hardware = ", ".join(
    machine[part] for part in ("gpu", "cpu") if part in machine
  )
  versions = "; ".join(
    f"{peer}: " + ", ".join(f"{n} {v}" for n, v in packages.items())
    for peer, packages in results["versions"].items()
  )
  return (
    f"{results['date']}, {hardware}, {machine['cores']} cores,"
    f" {machine['system']}. `{results.get('command', '')}`",
    f"Versions: {versions}.",
  )


def ms(seconds: float | None) -> str:
  if seconds is None:
    return "-"
  return f"{1e3 * seconds:.{2 if seconds < 0.01 else 1 if seconds < 1 else 0}f}"


def _gflops(record) -> str:
  seconds = median(record)
  return "-" if seconds is None else f"{record['flops'] / seconds / 1e9:.0f}"


def _mb(count) -> str:
  return "-" if count is None else f"{count / 1e6:.1f}"


def times(seconds, base) -> str:
  return "-" if None in (seconds, base) else f"{seconds / base:.2f}"


def table(header: list[str], rows: list[list[str]]) -> str:
  lines = [header, ["-"] * len(header), *rows]
  return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _shape(record) -> str:
  return ", ".join(map(str, record["case"]["shape"]))


def _layer_tables(results):
  records = section(results, "layers")
  peers = unique(records, "peer")
  for mode in unique(records, "mode"):
    rows = []
    for name in unique(records, "name"):
      for setting in unique(records, "setting"):
        row = [
          find(records, name=name, setting=setting, peer=peer, mode=mode)
          for peer in peers
        ]
        known = next((r for r in row if r), None)
        if known is None:
          continue
        ours = find([r for r in row if r], peer="ours")
        cells = []
        for record in row:
          seconds = median(record)
          if seconds is None:
            cells.append("-")
          elif record is ours:
            process = "" if ours["process"] == setting else ours["process"]
            notes = filter(None, [f"{_gflops(ours)} GFLOP/s", process])
            cells.append(f"{ms(seconds)} ({', '.join(notes)})")
          else:
            cells.append(f"{ms(seconds)} ({times(seconds, median(ours))}x)")
        rows.append([name, _shape(known), setting, *cells])
    yield f"## LSTM layers, {mode}"
    yield (
      "Median ms, and in brackets how many times ours in the same row: above 1"
      " ours is faster. Shape: batch, time, input, hidden, layers."
    )
    yield table(["", "shape", "setting", *peers], rows)


def _gemm_table(results):
  records = section(results, "gemm")
  if records:
    kind = "TF32" if "gpu" in results["machine"] else "float32"
    yield f"## Matrix products, {kind}"
    yield table(
      ["", "size", "GFLOP/s, median", "best"],
      [
        [
          r["by"],
          r["size"],
          _gflops(r),
          f"{r['flops'] / min(r['seconds']) / 1e9:.0f}" if median(r) else "-",
        ]
        for r in records
      ],
    )


def _length_table(results):
  records = section(results, "length")
  if records:
    yield "## Sequence length, train"
    yield (
      f"Batch {records[0]['case']['shape'][0]}, input"
      f" {records[0]['case']['shape'][2]}, hidden"
      f" {records[0]['case']['shape'][3]}; tuned. Temporary memory is the"
      " compiled program's; the first call compiles."
    )
    yield table(
      [
        "time",
        "",
        "ms",
        "microseconds a step",
        "temporary MB",
        "first call, s",
      ],
      [
        [
          r["time"],
          r["name"],
          ms(median(r)),
          f"{1e6 * median(r) / r['time']:.1f}" if median(r) else "-",
          _mb(r.get("temporary_bytes")),
          f"{r['first_seconds']:.2f}" if "first_seconds" in r else "-",
        ]
        for r in records
      ],
    )


def _extremes_table(results):
  records = section(results, "extremes")
  if records:
    rows = []
    for ours, plain in zip(records[::2], records[1::2], strict=True):
      a, b = median(ours), median(plain)
      rows.append([_shape(ours), ours["mode"], ms(a), ms(b), times(b, a)])
    yield "## Small and large inputs, tuned"
    yield table(["shape", "mode", "ours, ms", "plain scan, ms", "times"], rows)


def _spread_table(results):
  records = section(results, "layers")
  if records:
    rows = []
    for r in records:
      if median(r):
        levels = np.percentile(r["seconds"], [0, 25, 50, 75])
        rows.append(
          [
            *(r[k] for k in ("name", "mode", "setting", "peer")),
            *map(ms, levels),
            len(r["seconds"]),
            f"{r['first_seconds']:.2f}",
            f"{r['peak_bytes'] / 1e6:.0f}" if "peak_bytes" in r else "-",
          ]
        )
    yield "## Spread of the layers' times"
    yield "ms; the first call compiles; peak is the process's resident memory."
    names = [
      "min",
      "25 %",
      "median",
      "75 %",
      "runs",
      "first call, s",
      "peak MB",
    ]
    yield table(["shape", "mode", "setting", "peer", *names], rows)


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_string(
    "output", "runs/benchmark", "folder of the report", flag_values=values
  )
  parse_flags(values, argv, __doc__)
  output = pathlib.Path(values.output).expanduser()
  try:
    results = json.loads((output / "benchmark.json").read_text())
  except (OSError, ValueError) as error:
    reason = getattr(error, "strerror", None) or error
    raise UserError(
      f"{output}/benchmark.json: cannot be read: {reason}; measure first, with"
      f" python -m scripts.benchmark_lstm --output={output}"
    ) from None
  for path in write(results, output):
    print(path)


if __name__ == "__main__":
  run_command(main)
