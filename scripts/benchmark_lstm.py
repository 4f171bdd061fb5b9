"""Times LSTM layers against their peers, each in a process of its own.

  python -m scripts.benchmark_lstm --quick
  python -m scripts.benchmark_lstm --python=torch=X/bin/python
  python -m scripts.benchmark_lstm --platform=gpu

writes benchmark.json (every measured run), benchmark.md and benchmark.png. All
contenders of a case are prepared, then run in turn. Settings: "default" is what
a library's user gets (of ours, what experiments.train sets up); "tuned" has a
tuned allocator; "split" is tuned, with the batch over two host devices.
Forward is one pass; train adds the gradients of all parameters and of inputs.

On an NVIDIA GPU there are the layers and matrix products alone, in one setting,
and ours through cuDNN besides. All take JAX's default there, TF32 products.
"""

import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

from absl import flags

from experiments.command_line import (
  EXIT_SAVED_ON_SIGINT,
  make_folder,
  new_flags,
  parse_flags,
  run_command,
)
from lstm_jax.errors import ConfigError
from lstm_jax.files import write_atomically
from scripts import benchmark_cases as cases
from scripts import benchmark_report
from scripts.peers.processes import Workers, measure


def benchmark(
  groups: list[list[dict]],
  seconds: float,
  pythons: dict,
  show,
  note,
  modules: dict[str, str] = cases.MODULES | {"gemm": "gemm"},
  on: str = "cpu",
) -> dict:
  """Measures the groups one after the other.

  Args:
    groups: lists of records, as `layers` makes them.
    seconds: for each record's runs.
    pythons: interpreters by peer; this one for the others.
    show, note: take a line that moves, and one that stays.
    modules: files of scripts/peers by peer.
    on: "cpu" or "gpu".
  """
  pythons = dict.fromkeys(modules, sys.executable) | pythons
  started = datetime.datetime.now(datetime.UTC)
  complete = False
  backend = {"cpu": "cpu", "gpu": "cuda"}[on]
  with Workers(pythons, modules, note, backend) as workers:
    try:
      for i, group in enumerate(groups):
        place = f"{i + 1}/{len(groups)}  {cases.title(group)}"
        measure(
          group, workers, seconds, lambda text, p=place: show(f"{p}  {text}")
        )
        for record in group:
          if "error" in record and record["peer"] in workers.versions:
            note(f"{cases.title(group)}: {record['peer']}: {record['error']}")
      complete = True
    except KeyboardInterrupt:
      note("interrupted; the report holds what was measured")
    versions = workers.versions
  return {
    "date": started.isoformat(timespec="seconds"),
    "complete": complete,
    "seconds_per_case": seconds,
    "machine": machine(on),
    "versions": versions,
    "records": [record for group in groups for record in group],
  }


def machine(on: str = "cpu") -> dict:
  cpu = platform.processor() or platform.machine()
  path = pathlib.Path("/proc/cpuinfo")
  if path.is_file():
    lines = path.read_text().splitlines()
    names = [x.split(":")[1].strip() for x in lines if x.startswith("model n")]
    cpu = names[0] if names else cpu
  cores = len(os.sched_getaffinity(0))
  found = {"cpu": cpu, "cores": cores, "system": platform.platform()}
  if on == "gpu":
    found["gpu"] = _gpu()
  return found


def _gpu() -> str:
  """Name and driver of the first NVIDIA GPU.

  Raises:
    ConfigError: there is none.
  """
  query = ["nvidia-smi", "--query-gpu=name,driver_version"]
  query.append("--format=csv,noheader")
  try:
    done = subprocess.run(query, capture_output=True, text=True)
  except OSError as error:
    reason = f"nvidia-smi: {error.strerror}"
    raise ConfigError(f"--platform=gpu: no NVIDIA GPU: {reason}") from None
  lines = done.stdout.strip().splitlines()
  if done.returncode or not lines:
    reason = " ".join([*lines, done.stderr.strip()]) or "it names none"
    raise ConfigError(f"--platform=gpu: no NVIDIA GPU: nvidia-smi: {reason}")
  return lines[0]


def chosen(flag: str, wanted: list[str], known) -> list[str]:
  """The wanted names, checked."""
  for name in wanted:
    if name not in known:
      raise ConfigError(f'--{flag}: no "{name}"; there are {", ".join(known)}')
  return wanted


def interpreters(words: list[str], peers) -> dict[str, str]:
  """Of --python=PEER=PATH, the path by peer."""
  pythons = {}
  for word in words:
    peer, _, path = word.partition("=")
    chosen("python", [peer], peers)
    if not path:
      raise ConfigError(f"--python={word}: give PEER=PATH")
    if not shutil.which(path):
      raise ConfigError(f"--python={word}: no such program; give PEER=PATH")
    # An interpreter is found from here, not from the worker's folder.
    pythons[peer] = os.path.abspath(path) if os.sep in path else path
  return pythons


def define_shared_flags(output: str) -> flags.FlagValues:
  values = new_flags()
  flags.DEFINE_float(
    "seconds", 2.0, "for each contender and case", 0.0, flag_values=values
  )
  flags.DEFINE_multi_string(
    "python", [], "PEER=PATH, another interpreter", flag_values=values
  )
  flags.DEFINE_string(
    "output", output, "folder of the report", flag_values=values
  )
  flags.DEFINE_enum(
    "platform", "cpu", ["cpu", "gpu"], "where", flag_values=values
  )
  flags.DEFINE_bool(
    "quick", False, "a minute: few shapes and peers", flag_values=values
  )
  return values


def define_flags() -> flags.FlagValues:
  values = define_shared_flags("runs/benchmark")
  for name, default, text in (
    ("shapes", cases.SHAPES, "shapes of the layers"),
    ("peers", cases.MODULES, "contenders"),
    ("modes", cases.MODES, "forward and train"),
    ("skip", [], f"parts to leave out: {', '.join(cases.SECTIONS)}"),
  ):
    flags.DEFINE_list(name, list(default), text, flag_values=values)
  flags.DEFINE_enum(
    "setting", "all", list(cases.SETTINGS), "settings", flag_values=values
  )
  return values


def be_quick(values: flags.FlagValues, quick: dict):
  """With --quick, these values of the flags that were not given."""
  for name, value in quick.items():
    if values.quick and not values[name].present:
      setattr(values, name, value)


def measure_and_write(groups, values, argv, write, modules) -> int:
  """Measures the groups, writes benchmark.json and the report; exit code."""
  clear = "\r\x1b[2K" if sys.stdout.isatty() else ""

  def show(text):
    if clear:
      print(clear + text[:78], end="", flush=True)

  def note(text):
    print(clear + text, flush=True)

  pythons = interpreters(values.python, modules)
  machine(values.platform)  # says so where there is no GPU
  output = make_folder(values, "output")
  tempfile.TemporaryFile(dir=output).close()  # says so where it is read-only
  results = benchmark(
    groups, values.seconds, pythons, show, note, modules, values.platform
  )
  show("")
  results["command"] = " ".join(argv)
  write_atomically(output / "benchmark.json", json.dumps(results, indent=1))
  for path in write(results, output):
    note(str(path))
  return 0 if results["complete"] else EXIT_SAVED_ON_SIGINT


QUICK = {
  "shapes": ["a", "e", "g"],
  "peers": ["ours", "torch", "linen"],
  "skip": ["length", "extremes"],
  "setting": "default",
  "seconds": 0.3,
}


def main(argv: list[str]) -> int:
  values = parse_flags(define_flags(), argv, __doc__)
  be_quick(values, QUICK)
  skip = chosen("skip", values.skip, cases.SECTIONS)
  modules, settings = cases.MODULES, cases.SETTINGS[values.setting]
  on_gpu = values.platform == "gpu"
  if on_gpu:
    modules = modules | cases.ON_GPU
    if values["setting"].present:
      raise ConfigError("--setting: there is one on a GPU; leave it out")
    settings = cases.SETTINGS["default"]
    skip = [*skip, "length", "extremes"]
    if values["peers"].using_default_value:
      values.peers = list(modules)
  peers = chosen("peers", values.peers, modules)
  modes = chosen("modes", values.modes, cases.MODES)
  shapes = {
    n: cases.SHAPES[n] for n in chosen("shapes", values.shapes, cases.SHAPES)
  }
  groups = {
    "gemm": cases.gemm(
      (2048,) if values.quick else (1024, 2048, 4096),
      ("xla",) if on_gpu else ("xla", "numpy"),
    ),
    "layers": cases.layers(shapes, peers, modes, settings, values.platform),
    "length": cases.length(),
    "extremes": cases.extremes(),
  }
  return measure_and_write(
    [g for name, part in groups.items() if name not in skip for g in part],
    values,
    argv,
    benchmark_report.write,
    modules | {"gemm": "gemm"},
  )


if __name__ == "__main__":
  run_command(main)
