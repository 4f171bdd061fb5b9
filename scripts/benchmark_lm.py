"""Times language models against PyTorch, each in a process of its own.

  python -m scripts.benchmark_lm --python=torch=X/bin/python
  python -m scripts.benchmark_lm --platform=gpu
  python -m scripts.benchmark_lm --quick --python=torch=X/bin/python

Measures the whole update (loss, gradient, clipping, SGD), evaluation (the loss
of a window), the softmax with its loss and gradients alone, and sampling in one
stream, all in float32 and without dropout. Contenders take turns: ours as
experiments.train sets it up, torch as a user gets it, and torch with a tuned
allocator and a thread for each core. On an NVIDIA GPU they are ours, ours with
the layers through cuDNN, and torch, all with TF32 products. Writes
benchmark.json (every measured run) and benchmark.md.
"""

import math
import pathlib

from absl import flags

from experiments.command_line import parse_flags, run_command
from lstm_jax.files import write_atomically
from scripts.benchmark_lstm import (
  be_quick,
  chosen,
  define_shared_flags,
  measure_and_write,
)
from scripts.benchmark_records import find, median, unique
from scripts.benchmark_report import circumstances, ms, table, times
from scripts.peers import ours

MODULES = {"ours": "ours_lm", "torch": "torch_lm"}
SHAPES = {
  name: dict(
    zip(
      ("batch", "time", "embedding", "hidden", "vocabulary", "tied"),
      values,
      strict=True,
    )
  )
  for name, values in {
    "small": (20, 20, 200, (200, 200), 10_000, False),  # Zaremba et al. 2014
    "medium": (20, 35, 650, (650, 650), 10_000, False),
    "awd": (40, 70, 400, (1150, 1150, 400), 10_000, True),  # Merity et al. 2018
    "characters": (32, 128, 64, (256,), 100, False),  # configs/char_lm.py
  }.items()
}
PARTS = {
  "update": "The whole update",
  "forward": "Evaluation: the loss of a window",
  "softmax": "The softmax, its loss and gradients alone",
  "sample": "Sampling in one stream",
}
SAMPLED = 256  # symbols in a run
ON_GPU = {"cudnn": "ours_lm_cudnn"}
CONTENDERS = {
  "cpu": (("ours", "default"), ("torch", "default"), ("torch", "tuned")),
  "gpu": (("ours", "default"), ("cudnn", "default"), ("torch", "default")),
}
QUICK = {"shapes": ["small", "characters"], "seconds": 0.5}


def groups(
  shapes: dict, parts, peers, platform: str = "cpu"
) -> list[list[dict]]:
  """A group of records for each shape and part, as `measure` fills them in."""
  return [
    [
      {
        "section": "lm", "name": name, "part": part, "peer": peer,
        "setting": setting,
        "process": _process(peer, setting, shape, part, platform),
        "case": {"kind": "lm", "part": part, "length": SAMPLED, **shape},
        "results": [_results(shape, part)], "tokens": _tokens(shape, part),
      }
      for peer, setting in CONTENDERS[platform]
      if peer in peers
    ]
    for name, shape in shapes.items()
    for part in parts
  ]  # fmt: skip


def _process(peer, setting, shape, part, platform) -> str:
  if peer != "ours" or platform == "gpu":
    return setting
  if part == "sample":
    return "tuned"
  widest = max(shape["hidden"])
  return ours.default_setting((shape["batch"], None, None, widest, None))


def _tokens(shape, part) -> int:
  return SAMPLED if part == "sample" else shape["batch"] * shape["time"]


def _results(shape, part) -> int:
  """How many numbers come out."""
  if part == "softmax":
    h, v = shape["hidden"][-1], shape["vocabulary"]
    return 1 + _tokens(shape, part) * h + h * v + v
  return SAMPLED if part == "sample" else 1


def markdown(results: dict) -> str:
  records = results["records"]
  parts = ["# Language model benchmark", *circumstances(results)]
  for part in unique(records, "part"):
    parts += [f"## {PARTS[part]}", _part_table(records, part)]
  if {"update", "softmax"} <= set(unique(records, "part")):
    parts += ["## The softmax's share of the update", _share_table(records)]
  return "\n\n".join(parts) + "\n"


def _contenders(records):
  return [
    (peer, setting)
    for peer, setting in dict.fromkeys(sum(CONTENDERS.values(), ()))
    if find(records, peer=peer, setting=setting)
  ]


def _shape(shape) -> str:
  sizes = "-".join(map(str, (shape["embedding"], *shape["hidden"])))
  tied = ", tied" * shape["tied"]
  words = f"vocabulary {shape['vocabulary']:,}{tied}"
  return f"{shape['batch']} x {shape['time']}, {sizes}, {words}"


def _part_table(records, part) -> str:
  """Median ms, tokens a second, and how many times ours."""
  found = _contenders(records)
  rows = []
  for name in unique(records, "name"):
    mine = [
      find(records, name=name, part=part, peer=p, setting=s) for p, s in found
    ]
    base = median(find(records, name=name, part=part, peer="ours"))
    cells = []
    for record in mine:
      seconds = median(record)
      if seconds is None:
        cells.append("-")
        continue
      speed = f"{record['tokens'] / seconds:,.0f} tokens/s"
      relation = times(seconds, base)
      if record["peer"] == "ours":
        relation = record["process"]
      cells.append(f"{ms(seconds)}, {speed} ({relation})")
    rows.append([name, _shape(mine[0]["case"]), *cells])
  header = [
    f"{peer}, {setting}: ms, speed ("
    + ("process)" if peer == "ours" else "times ours)")
    for peer, setting in found
  ]
  return table(["", "batch x time, embedding-layers", *header], rows)


def _share_table(records) -> str:
  found = _contenders(records)
  rows = []
  for name in unique(records, "name"):
    row = [name]
    for peer, setting in found:
      here = {"name": name, "peer": peer, "setting": setting}
      top, whole = (
        median(find(records, part=part, **here)) or math.nan
        for part in ("softmax", "update")
      )
      share = 100 * top / whole
      row.append("-" if math.isnan(share) else f"{share:.0f} %")
    rows.append(row)
  return table(["", *(f"{peer}, {setting}" for peer, setting in found)], rows)


def write(results: dict, output: pathlib.Path) -> list[pathlib.Path]:
  path = output / "benchmark.md"
  write_atomically(path, markdown(results))
  return [path]


def main(argv: list[str]) -> int:
  values = define_shared_flags("runs/benchmark_lm")
  for name, default, text in (
    ("shapes", SHAPES, "models"),
    ("parts", PARTS, "what is measured"),
    ("peers", MODULES, "contenders"),
  ):
    flags.DEFINE_list(name, list(default), text, flag_values=values)
  parse_flags(values, argv, __doc__)
  be_quick(values, QUICK)
  shapes = {n: SHAPES[n] for n in chosen("shapes", values.shapes, SHAPES)}
  parts = chosen("parts", values.parts, PARTS)
  modules = MODULES | (ON_GPU if values.platform == "gpu" else {})
  if values["peers"].using_default_value:
    values.peers = list(modules)
  peers = chosen("peers", values.peers, modules)
  planned = groups(shapes, parts, peers, values.platform)
  return measure_and_write(planned, values, argv, write, modules)


if __name__ == "__main__":
  run_command(main)
