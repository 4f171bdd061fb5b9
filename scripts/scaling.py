"""How training scales: measured on this machine's cores, and on paper.

  python -m scripts.scaling --output=runs/scaling
  python -m scripts.scaling --output=runs/large --parts=messages,paper \\
      --config.model.hidden_sizes=1024,1024 --config.train.batch_size=64

Parts, all unless --parts names some:
  weak, strong  time of an update on 1, 2, ... virtual devices of one process,
      and on as many processes; weak: train.batch_size rows for each device,
      strong: train.batch_size rows in all. Every device has one thread.
  messages      bytes between devices in an update, counted in the compiled
      program, against the gradient's bytes
  paper         where the time of an update would go on many accelerators, each
      with train.batch_size rows, from counted products, in bfloat16, and
      messages

Tables are printed and written to OUTPUT/scaling.md.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time

import jax
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
from scripts.program_counts import count_messages, count_products

PARTS = ("weak", "strong", "messages", "paper")
_H100 = "NVIDIA, data sheet of the H100 Tensor Core GPU (SXM): "
_DGX = "NVIDIA, data sheet of the DGX H100: "
PEAKS = {  # flag: what, how much, and from where
  "peak_flops": (
    "FLOP/s of one accelerator",
    989.5e12,
    _H100 + "1,979 teraFLOPS in bfloat16 with sparsity, half of that without",
  ),
  "memory_bandwidth": (
    "bytes/s of its memory", 3.35e12, _H100 + "3.35 TB/s",
  ),
  "near_bandwidth": (
    "bytes/s that it sends inside its host",
    450e9,
    _H100 + "NVLink, 900 GB/s in both directions",
  ),
  "far_bandwidth": (
    "bytes/s that it sends between hosts",
    50e9,
    _DGX + "eight ports of 400 Gb/s for eight GPUs",
  ),
}  # fmt: skip


def run_worker(config, updates: int) -> dict:
  """One of the processes of a measurement: what an update takes and sends."""
  devices = start_process(config, [])
  experiment, state = build(config, devices=devices)
  products = count_products(experiment.train_call, state, experiment.data)
  update = experiment.train_call.lower(state, experiment.data).compile()
  messages = count_messages(update.as_text())
  seconds = []
  for _ in range(updates + 2 * bool(updates)):  # two to warm up
    started = time.perf_counter()
    state, metrics = update(state, experiment.data)
    jax.block_until_ready((state, metrics))
    seconds.append(time.perf_counter() - started)
  return products._asdict() | {
    "seconds": statistics.median(seconds[2:]) if updates else None,
    "messages": [[*kind, size] for kind, size in messages.items()],
    "gradient_bytes": 4 * parameter_count(state.params),
  }


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


def estimate(counted: dict, devices: int, values) -> tuple[float, ...]:
  """Seconds of an update on one of many accelerators with rows of their own: if
  only multiplying took time, if only reading and writing for it did, and of the
  sum of the gradient over all.

  counted: flops and bytes of one's products, and gradient_bytes.
  values: the flags. A ring over n accelerators sends 2 (n - 1) / n times the
    gradient from each (Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce
    algorithms for clusters of workstations").
  """
  inside = devices <= values.devices_a_host
  link = values.near_bandwidth if inside else values.far_bandwidth
  sent = 2 * (devices - 1) / devices * counted["gradient_bytes"]
  return (
    counted["flops"] / values.peak_flops,
    counted["bytes"] / values.memory_bandwidth,
    sent / link,
  )


def sources(values) -> list[list[str]]:
  """What each peak is, and where it is from."""
  rows = []
  for name, (text, default, source) in PEAKS.items():
    number = values[name].value
    if number != default:
      source = values.source or f"--{name}"
    rows.append([text, f"{number:.4g}", source])
  return rows


def paper_table(counted: dict, config, values) -> str:
  rows, lines = config.train.batch_size, []
  for devices in (1, 8, 256, 4096):
    products, memory, messages = times = estimate(counted, devices, values)
    # Products while memory is read, then messages: nothing else overlaps.
    total = max(products, memory) + messages
    alone = total if devices == 1 else alone
    lines.append(
      [
        *(f"{devices:,}", f"{rows * devices:,}"),
        *(f"{1e3 * seconds:.4g}" for seconds in times),
        f"{100 * messages / total:.0f} %",
        f"{100 * alone / total:.0f} %",
      ]
    )
  header = ["accelerators", "rows in all", "products, ms", "memory, ms"]
  header += ["messages, ms", "messages", "efficiency"]
  return (
    "### On paper\n\nLayers of"
    f" {', '.join(map(str, config.model.hidden_sizes))} units, {rows} rows on"
    f" each accelerator, products in bfloat16: {counted['flops']:,} FLOPs and"
    f" {counted['bytes']:,} bytes of products, {counted['gradient_bytes']:,}"
    f" bytes of gradient, all counted. Hosts have {values.devices_a_host}"
    " accelerators. Latencies are not counted, nor what is not a product;"
    " nothing stays in a cache; the gradient is sent after the last product."
    f"\n\n{table(['peak', '', 'source'], sources(values))}"
    f"\n\n{table(header, lines)}"
  )


def define_flags() -> flags.FlagValues:
  values = new_flags()
  for name, default, text in (
    ("output", None, "folder of the tables"),
    ("source", "", "where other numbers are from"),
    ("coordinator", "", "internal"),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  for name, default, least, text in (
    ("devices", 4, 1, "most devices of weak and strong"),
    ("updates", 10, 0, "updates to time"),
    ("devices_a_host", 8, 1, "accelerators"),
    ("num_processes", None, None, "internal"),
    ("process_id", None, None, "internal"),
  ):
    flags.DEFINE_integer(
      name, default, text, lower_bound=least, flag_values=values
    )
  for name, (text, default, _) in PEAKS.items():
    flags.DEFINE_float(name, default, text, lower_bound=1.0, flag_values=values)
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
    elif part == "messages":
      tables.append(messages_table(words, rows, meshes))
    else:
      alone = sweeps.override(words, ["--updates=0"])
      precision = {"model.precision": "bfloat16"}  # what the peaks are for
      tables.append(paper_table(measure(alone, **precision), config, values))
    print(tables[-1] + "\n", flush=True)
  title = "# Scaling\n\n`" + " ".join(["python -m scripts.scaling", *words])
  (folder / "scaling.md").write_text("\n\n".join([title + "`", *tables]) + "\n")


if __name__ == "__main__":
  run_command(main)
