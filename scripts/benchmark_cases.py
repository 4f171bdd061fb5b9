"""What scripts.benchmark_lstm measures: groups of records.

The records of a group are measured in turn; `peers/processes.py` says what is
in a record. These are lists and dictionaries, and nothing runs here.
"""

from scripts.peers import ours, problem

SECTIONS = ("layers", "gemm", "length", "extremes")
# batch, time, input, hidden, layers
SHAPES = {
  "a": (20, 20, 200, 200, 2),  # Zaremba et al. 2014, small
  "b": (20, 35, 650, 650, 2),  # medium
  "c": (20, 35, 1500, 1500, 2),  # large
  "d": (64, 128, 512, 512, 1),  # characters
  "e": (100, 784, 1, 128, 1),  # pixels of MNIST
  "f": (50, 1000, 2, 128, 1),  # adding problem
  "g": (1, 512, 512, 512, 1),  # one stream
}
MODULES = {  # peer: its file in scripts/peers
  "ours": "ours",
  "torch": "torch_lstm",
  "linen": "flax_linen",
  "nnx": "flax_nnx",
  "haiku": "haiku_lstm",
  "equinox": "equinox_lstm",
  "keras": "keras_lstm",
}
ON_GPU = {"cudnn": "ours_cudnn"}  # more contenders: ours by another engine
MODES = ("forward", "train")
SETTINGS = {
  "default": ("default",),
  "tuned": ("tuned",),
  "split": ("split",),
  "both": ("default", "tuned"),
  "all": ("default", "tuned", "split"),
}


def layer_record(peer, process, shape, mode, variant="", **fields) -> dict:
  """What `measure` fills in; process: the setting of the worker process."""
  return {
    "peer": peer,
    "process": process,
    "case": {"kind": "layer", "shape": shape, "mode": mode, "variant": variant},
    "mode": mode,
    "results": sorted(problem.result_sizes(shape, mode)),
    "flops": problem.flops(shape, mode),
    **fields,
  }


def layers(
  shapes: dict, peers, modes, settings, platform: str = "cpu"
) -> list[list[dict]]:
  """A group for each shape and mode: every peer in every setting."""

  def process(peer, setting, shape):
    if platform == "gpu":
      return "default"  # the others tune a CPU
    if peer == "ours" and setting == "default":
      return ours.default_setting(shape)
    if setting == "split" and (peer == "torch" or shape[0] % 2):
      return None  # not JAX, or a batch that does not divide
    return setting

  return [
    [
      layer_record(
        peer, process(peer, setting, shape), shape, mode,
        section="layers", name=name, setting=setting,
      )
      for setting in settings
      for peer in peers
      if process(peer, setting, shape)
    ]
    for name, shape in shapes.items()
    for mode in modes
  ]  # fmt: skip


def gemm(sizes=(1024, 2048, 4096), by=("xla", "numpy")) -> list[list[dict]]:
  """The largest throughput of matrix products that the machine reaches."""
  return [
    [
      {
        "section": "gemm", "peer": "gemm", "process": "tuned", "by": who,
        "size": size, "flops": 2 * size**3,
        "case": {"kind": "gemm", "by": who, "size": size},
      }
      for who in by
      for size in sizes
    ]
  ]  # fmt: skip


def length(times=(128, 1024, 2048, 4096, 16384)) -> list[list[dict]]:
  """Time, memory and compile time as the sequences grow."""
  groups = []
  for time in times:
    group = [
      layer_record(
        peer, "tuned", (16, time, 32, 128, 1), "train", variant,
        section="length", time=time, name=name,
      )
      for peer, variant, name in (
        ("ours", "", 'ours, memory="full"'),
        ("ours", "sqrt", 'ours, memory="sqrt"'),
        ("linen", "", "linen"),
      )
    ]  # fmt: skip
    for record in group:
      record["case"]["temporary"] = True
    groups.append(group)
  return groups


def extremes() -> list[list[dict]]:
  """Tiny and huge inputs and layers: ours against a plain scan of the cell."""
  return [
    [
      layer_record(
        "ours", "tuned", shape, mode, variant,
        section="extremes", name=name,
      )
      for variant, name in (("", "ours"), ("plain", "plain scan"))
    ]
    for shape in (
      (32, 128, 1, 256, 1), (32, 128, 2000, 256, 1), (20, 35, 1500, 1500, 1),
    )
    for mode in MODES
  ]  # fmt: skip


def title(group: list[dict]) -> str:
  """What the records of a group have in common."""
  names = ("section", "name", "part", "time", "mode")
  values = [{record.get(name) for record in group} for name in names]
  return " ".join(str(*v) for v in values if len(v) == 1 and None not in v)
