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

from experiments.command_line import parse_flags, run_command
from scripts.benchmark import (
  be_quick,
  chosen,
  chosen_peers,
  define_flags,
  measure_and_write,
)
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
ON_GPU = {"cudnn": "ours_lm"}
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
        "section": PARTS[part], "row": (name, _shape(shape)),
        "column": f"{peer}, {setting}", "peer": peer,
        "process": _process(peer, setting, shape, part, platform),
        "case": {"part": part, "length": SAMPLED, **shape}
        | {"engine": "cudnn" if peer == "cudnn" else "auto"},
        "results": [_results(shape, part)],
        "amount": _tokens(shape, part), "unit": "token",
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


def _shape(shape) -> str:
  sizes = "-".join(map(str, (shape["embedding"], *shape["hidden"])))
  tied = ", tied" * shape["tied"]
  words = f"vocabulary {shape['vocabulary']:,}{tied}"
  return f"{shape['batch']} x {shape['time']}, {sizes}, {words}"


def main(argv: list[str]) -> int:
  values = define_flags(
    "runs/benchmark_lm", shapes=SHAPES, parts=PARTS, peers=MODULES
  )
  parse_flags(values, argv, __doc__)
  be_quick(values, QUICK)
  shapes = {n: SHAPES[n] for n in chosen("shapes", values.shapes, SHAPES)}
  parts = chosen("parts", values.parts, PARTS)
  modules = MODULES | (ON_GPU if values.platform == "gpu" else {})
  peers = chosen_peers(values, modules)
  return measure_and_write(
    "Language model benchmark",
    groups(shapes, parts, peers, values.platform),
    modules,
    values,
    argv,
  )


if __name__ == "__main__":
  run_command(main)
