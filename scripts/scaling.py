"""How training scales on this machine's cores, and what devices send.

  python -m scripts.scaling --output=runs/scaling
  python -m scripts.scaling --output=runs/large --parts=messages \\
      --config.model.hidden_sizes=1024,1024 --config.train.batch_size=64

Parts, all unless --parts names some:
  weak, strong  time of an update on 1, 2, ... virtual devices of one process,
      and on as many processes; weak: train.batch_size rows for each device,
      strong: train.batch_size rows in all. Every device has one thread.
  messages      bytes between devices in an update, counted in the compiled
      program, against the gradient's bytes

Tables are printed and written to OUTPUT/scaling.md.
"""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter

import jax
import numpy as np
from absl import flags

from experiments.command_line import (
  make_folder,
  new_flags,
  parse_config,
  run_command,
  take_config_flag,
)
from experiments.device_setup import start_process
from lstm_jax.config import sweeps
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.models.language_model import parameter_count
from lstm_jax.parallel import processes, runtime
from lstm_jax.run.build import build
from scripts.benchmark_report import table

PARTS = ("weak", "strong", "messages")
_COLLECTIVE = re.compile(
  r"%\S+ = (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all"
  r"|collective-permute)(-start)?\(.*?replica_groups=(.*?), \w+="
)
_SHAPE = re.compile(r"\b([a-z]+\d+\w*|pred)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:calls|to_apply|body)=%([^\s,)}]+)")
_BRANCHES = re.compile(r"branch_computations=\{(.*?)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


def run_worker(config, updates: int) -> dict:
  """One of the processes of a measurement: what an update takes and sends."""
  devices = start_process(config, [])
  experiment, state = build(config, devices=devices)
  update = experiment.train_call.lower(state, experiment.data).compile()
  messages = count_messages(update.as_text())
  seconds = []
  for _ in range(updates + 2 * bool(updates)):  # two to warm up
    started = time.perf_counter()
    state, metrics = update(state, experiment.data)
    jax.block_until_ready((state, metrics))
    seconds.append(time.perf_counter() - started)
  return {
    "seconds": statistics.median(seconds[2:]) if updates else None,
    "messages": [[*kind, size] for kind, size in messages.items()],
    "gradient_bytes": 4 * parameter_count(state.params),
  }


def count_messages(text: str) -> Counter:
  """Bytes of each kind of message between devices, from a compiled program.

  Those are the results' bytes on one device: of an all-reduce the summed array,
  of an all-gather the gathered one, of a reduce-scatter the part that stays.

  text: what `compiled.as_text()` gives.

  Returns:
    {(operation, axes of the mesh): bytes}.

  Raises:
    ValueError: messages in a loop of which the program does not say how often
      it runs.
  """
  bodies, entry = _computations(text)

  def of(name):
    total = Counter()
    for line in bodies.get(name, ()):
      if match := _COLLECTIVE.search(line):
        result, operation, _, groups = match.groups()
        axes = re.findall(r"'(\w+)'", groups.rpartition("]")[2])
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", groups))
        if not axes or any(sizes.get(axis) != "1" for axis in axes):
          total[operation, ",".join(axes) or groups] += _bytes(result)
        continue
      called = _CALLED.findall(line)
      for branches in _BRANCHES.findall(line):
        called += re.findall(r"%([^\s,]+)", branches)
      inner = sum(map(of, called), Counter())
      if inner and " while(" in line:
        if not (trips := _TRIPS.search(line)):
          raise ValueError(f"how often does it run? {line.strip()[:80]}")
        inner = Counter({k: v * int(trips[1]) for k, v in inner.items()})
      total += inner
    return total

  return of(entry)


def _computations(text):
  """The lines of each computation, and the name of the first one to run."""
  bodies, entry, lines = {}, None, []
  for line in text.splitlines():
    head = re.match(r"(ENTRY )?%(\S+) \(.*\{$", line)
    if head:
      lines = bodies[head[2]] = []
      entry = head[2] if head[1] else entry
    else:
      lines.append(line)
  return bodies, entry


def _bytes(shapes: str) -> int:
  total = 0
  for kind, sizes in _SHAPE.findall(shapes):
    bits = 8 if kind == "pred" else int(re.search(r"\d+", kind)[0])
    elements = int(np.prod([int(n) for n in sizes.split(",") if n]))
    total += elements * bits // 8
  return total


def measure(words: list[str], count: int = 1, **fields) -> dict:
  """Runs `count` processes with config fields, and returns the first's words.

  Raises:
    RunError: one of them failed.
  """
  with socket.socket() as test:
    test.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{test.getsockname()[1]}"
  devices = max(fields.get("run.devices", 1), 1)
  environment = os.environ | {
    "NPROC": str(devices // count),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
  }
  command = [sys.executable, "-m", "scripts.scaling", "--worker"]
  command += sweeps.override(words, sweeps.words(fields))
  started = []
  for number in range(count):
    joining = [f"--coordinator={address}", f"--num_processes={count}"]
    joining.append(f"--process_id={number}")
    started.append(
      subprocess.Popen(
        command + (joining if count > 1 else []),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
      )
    )
  printed = [process.communicate() for process in started]
  for process, (_, errors) in zip(started, printed, strict=True):
    if process.returncode:
      lines = [t for t in errors.splitlines() if t.startswith("error: ")]
      raise RunError((lines or errors.splitlines() or ["no word"])[-1])
  return json.loads(printed[0][0].splitlines()[-1])


def scaling_table(words, kind: str, rows: int, most: int) -> str:
  """Time of an update against the number of devices."""
  lines, first = [], None
  for devices in (2**n for n in range(20) if 2**n <= most):
    if kind == "strong" and rows % devices:
      continue
    for count in sorted({1, devices}):
      batch = rows * devices if kind == "weak" else rows
      fields = {"train.batch_size": batch, "run.devices": devices}
      seconds = measure(words, count, **fields)["seconds"]
      first = first or seconds
      ideal = first if kind == "weak" else first / devices
      efficiency = f"{100 * ideal / seconds:.0f} %"
      lines.append([devices, count, f"{1e3 * seconds:.1f}", efficiency])
  where = "for each device" if kind == "weak" else "in all"
  header = ["devices", "processes", "ms an update", "efficiency"]
  return (
    f"### {kind.capitalize()} scaling\n\n{runtime.cores()} cores; {rows} rows"
    f" {where}.\n\n{table(header, lines)}"
  )


def messages_table(words, rows: int, meshes) -> str:
  """Bytes between devices against the ideal."""
  lines = []
  for share_rows, share_units in meshes:
    found = measure(
      sweeps.override(words, ["--updates=0"]),
      **{
        "train.batch_size": rows * share_rows,
        "run.devices": share_rows * share_units,
        "run.model_parallel": share_units,
      },
    )
    ideal = found["gradient_bytes"] / share_units
    for operation, axis, size in sorted(found["messages"]):
      share = f"{size / ideal:.3f}" if axis == "batch" else ""
      mesh = f"{share_rows} x {share_units}"
      lines.append([mesh, axis, operation, f"{size:,}", share])
  header = ["rows over x units over", "axis", "operation", "bytes"]
  return (
    "### Messages of an update\n\nBytes of the results on one device, counted"
    " in the compiled program. The ideal of the axis `batch` is the gradient:"
    " all of it, or with the model in M parts the M-th part."
    f"\n\n{table([*header, 'of the ideal'], lines)}"
  )


def define_flags() -> flags.FlagValues:
  values = new_flags()
  for name, default, text in (
    ("output", None, "folder of the tables"),
    ("coordinator", "", "internal"),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  for name, default, least, text in (
    ("devices", 4, 1, "most devices of weak and strong"),
    ("updates", 10, 0, "updates to time"),
    ("num_processes", None, None, "internal"),
    ("process_id", None, None, "internal"),
  ):
    flags.DEFINE_integer(
      name, default, text, lower_bound=least, flag_values=values
    )
  flags.DEFINE_list("parts", list(PARTS), "what to do", flag_values=values)
  flags.DEFINE_list(
    "meshes",
    ["2x1", "8x1", "1x2", "2x4", "4x2"],
    "of messages: devices that share rows x devices that share units",
    flag_values=values,
  )
  flags.DEFINE_bool("worker", False, "internal", flag_values=values)
  return values


def main(argv: list[str]):
  values = define_flags()
  if take_config_flag(argv)[0] is None:
    argv = [argv[0], "--config=configs/char_lm.py", *argv[1:]]
  config = parse_config(argv, values, __doc__)
  if values.worker:
    with processes.joined(
      values.coordinator, values.num_processes, values.process_id
    ):
      print(json.dumps(run_worker(config, values.updates)))
    return
  if not values.output:
    raise ConfigError("--output is missing; give a folder for the tables")
  if unknown := set(values.parts) - set(PARTS):
    raise ConfigError(f"--parts: {min(unknown)} is none of {', '.join(PARTS)}")
  try:
    meshes = [tuple(map(int, mesh.split("x"))) for mesh in values.meshes]
  except ValueError:
    meshes = [()]
  if not all(len(mesh) == 2 and min(mesh) > 0 for mesh in meshes):
    raise ConfigError(
      f"--meshes={','.join(values.meshes)}: must be like 2x1,2x4"
    )
  folder = make_folder(values, "output")
  words, rows, tables = argv[1:], config.train.batch_size, []
  for part in (part for part in PARTS if part in values.parts):
    if part in ("weak", "strong"):
      tables.append(scaling_table(words, part, rows, values.devices))
    else:
      tables.append(messages_table(words, rows, meshes))
    print(tables[-1] + "\n", flush=True)
  title = "# Scaling\n\n`" + " ".join(["python -m scripts.scaling", *words])
  (folder / "scaling.md").write_text("\n\n".join([title + "`", *tables]) + "\n")


if __name__ == "__main__":
  run_command(main)
