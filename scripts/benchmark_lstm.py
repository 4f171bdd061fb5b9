"""Times LSTM layers against their peers, each in a process of its own.

  python -m scripts.benchmark_lstm --quick
  python -m scripts.benchmark_lstm --python=torch=X/bin/python
  python -m scripts.benchmark_lstm --platform=gpu

writes benchmark.json (every measured run), benchmark.md and benchmark.png. All
contenders of a case are prepared, then run in turn. Settings: "default" is what
a library's user gets (of ours, what experiments.train sets up); "tuned" has a
tuned allocator; "split" is tuned, with the batch over two host devices.
Forward is one pass; train adds the gradients of all parameters and of inputs.

Parts are the layers, matrix products (gemm: the most that the machine reaches),
and time and memory as sequences grow (length), of which an NVIDIA GPU has the
layers and matrix products, in one setting, and ours through cuDNN besides. All
take JAX's default there, TF32 products.
"""

from absl import flags

from experiments.command_line import parse_flags, run_command
from lstm_jax.errors import ConfigError
from scripts.benchmark import (
  be_quick,
  chosen,
  chosen_peers,
  define_flags,
  measure_and_write,
)
from scripts.peers import ours, problem

SECTIONS = ("gemm", "layers", "length")
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
ON_GPU = {"cudnn": "ours"}  # one more contender: ours by another engine
MODES = ("forward", "train")
SETTINGS = {
  "default": ("default",),
  "tuned": ("tuned",),
  "split": ("split",),
  "both": ("default", "tuned"),
  "all": ("default", "tuned", "split"),
}
QUICK = {
  "shapes": ["a", "e", "g"],
  "peers": ["ours", "torch", "linen"],
  "skip": ["length"],
  "setting": "default",
  "seconds": 0.3,
}


def layer_record(
  peer, process, shape, mode, section, variant="", temporary=False, **more
) -> dict:
  """What `measure` fills in.

  process: the setting of the worker process. temporary: count the program's
  memory, too, which compiles once more.
  """
  case = {"shape": shape, "mode": mode, "variant": variant}
  return {
    "section": f"{section}, {mode}",
    "row": (_text(shape),),
    "column": peer,
    "peer": peer,
    "process": process,
    "case": case | {"temporary": temporary},
    "results": sorted(problem.result_sizes(shape, mode)),
    "amount": problem.flops(shape, mode) / 1e9,
    "unit": "GFLOP",
    **more,
  }


def _text(shape) -> str:
  return ", ".join(map(str, shape))


def layers(shapes, peers, modes, settings, platform="cpu") -> list[list[dict]]:
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
        peer, process(peer, setting, shape), shape, mode, "LSTM layers",
        row=(name, _text(shape), setting), setting=setting,
        variant="cudnn" if peer == "cudnn" else "",
      )
      for setting in settings
      for peer in peers
      if process(peer, setting, shape)
    ]
    for name, shape in shapes.items()
    for mode in modes
  ]  # fmt: skip


def gemm(sizes=(1024, 2048, 4096), platform="cpu") -> list[list[dict]]:
  kind, by = "float32", ("xla", "numpy")
  if platform == "gpu":
    kind, by = "TF32", ("xla",)
  return [
    [
      {
        "section": f"Matrix products, {kind}", "row": (str(size),),
        "column": who, "peer": "gemm", "process": "tuned",
        "amount": 2 * size**3 / 1e9, "unit": "GFLOP",
        "case": {"by": who, "size": size},
      }
      for who in by
      for size in sizes
    ]
  ]  # fmt: skip


def length(times=(128, 1024, 2048, 4096, 16384)) -> list[list[dict]]:
  return [
    [
      layer_record(
        peer, "tuned", (16, time, 32, 128, 1), "train", "Sequence length",
        column=name, variant=variant, temporary=True,
      )
      for peer, variant, name in (
        ("ours", "", 'ours, memory="full"'),
        ("ours", "sqrt", 'ours, memory="sqrt"'),
        ("linen", "", "linen"),
      )
    ]
    for time in times
  ]  # fmt: skip


def main(argv: list[str]) -> int:
  values = define_flags(
    "runs/benchmark", shapes=SHAPES, peers=MODULES, modes=MODES
  )
  flags.DEFINE_list(
    "skip", [], f"parts to leave out: {', '.join(SECTIONS)}", flag_values=values
  )
  flags.DEFINE_enum(
    "setting", "all", list(SETTINGS), "settings", flag_values=values
  )
  parse_flags(values, argv, __doc__)
  be_quick(values, QUICK)
  skip = chosen("skip", values.skip, SECTIONS)
  modules, settings = MODULES, SETTINGS[values.setting]
  on_gpu = values.platform == "gpu"
  if on_gpu:
    modules = modules | ON_GPU
    if values["setting"].present:
      raise ConfigError("--setting: there is one on a GPU; leave it out")
    settings = SETTINGS["default"]
    skip = [*skip, "length"]
  peers = chosen_peers(values, modules)
  modes = chosen("modes", values.modes, MODES)
  shapes = {n: SHAPES[n] for n in chosen("shapes", values.shapes, SHAPES)}
  groups = {
    "gemm": gemm(
      (2048,) if values.quick else (1024, 2048, 4096), values.platform
    ),
    "layers": layers(shapes, peers, modes, settings, values.platform),
    "length": length(),
  }
  return measure_and_write(
    "LSTM benchmark",
    [g for name, part in groups.items() if name not in skip for g in part],
    modules | {"gemm": "gemm"},
    values,
    argv,
  )


if __name__ == "__main__":
  run_command(main)
