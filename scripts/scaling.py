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
)
from experiments.device_setup import start_process
from lstm_jax.config import sweeps
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.models.language_model import parameter_count
from lstm_jax.parallel import processes, runtime
from lstm_jax.run.build import build
from scripts import scaling_paper
from scripts.scaling_counts import count_messages, count_products

PARTS = ("weak", "strong", "messages", "paper")


def run_worker(config, updates: int) -> dict:
  """One of the processes of a measurement: seconds and bytes of an update."""
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


def count_alone(config) -> dict:
  """What an update of one device costs."""
  start_process(config, [])
  experiment, state = build(config)
  products = count_products(experiment.train_call, state, experiment.data)
  return products._asdict() | {
    "gradient_bytes": 4 * parameter_count(state.params)
  }


def measure(words: list[str], count: int, **fields: int) -> dict:
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
  lines = [
    f"### {kind.capitalize()} scaling",
    "",
    f"{runtime.cores()} cores; {rows} rows"
    f" {'for each device' if kind == 'weak' else 'in all'}.",
    "",
    "| devices | processes | ms an update | efficiency |",
    "|---|---|---|---|",
  ]
  counts = [2**n for n in range(20) if 2**n <= most]
  if kind == "strong":
    counts = [n for n in counts if rows % n == 0]
  first = None
  for devices in counts:
    for count in sorted({1, devices}):
      batch = rows * devices if kind == "weak" else rows
      fields = {"train.batch_size": batch, "run.devices": devices}
      seconds = measure(words, count, **fields)["seconds"]
      first = first or seconds
      ideal = first if kind == "weak" else first / devices
      lines.append(
        f"| {devices} | {count} | {1e3 * seconds:.1f} |"
        f" {100 * ideal / seconds:.0f} % |"
      )
  return "\n".join(lines)


def messages_table(words, rows: int, meshes) -> str:
  """Bytes between devices against the ideal."""
  lines = [
    "### Messages of an update",
    "",
    "Bytes of the results on one device, counted in the compiled program. The"
    " ideal of the axis `batch` is the gradient: all of it, or with the model"
    " in M parts the M-th part.",
    "",
    "| rows over x units over | axis | operation | bytes | of the ideal |",
    "|---|---|---|---|---|",
  ]
  for share_rows, share_units in meshes:
    found = measure(
      sweeps.override(words, ["--updates=0"]),
      1,
      **{
        "train.batch_size": rows * share_rows,
        "run.devices": share_rows * share_units,
        "run.model_parallel": share_units,
      },
    )
    ideal = found["gradient_bytes"] / share_units
    for operation, axis, size in sorted(found["messages"]):
      share = f"{size / ideal:.3f}" if axis == "batch" else ""
      lines.append(
        f"| {share_rows} x {share_units} | {axis} | {operation} | {size:,} |"
        f" {share} |"
      )
  return "\n".join(lines)


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_string(
    "output", None, "folder of the tables", flag_values=values
  )
  flags.DEFINE_list("parts", list(PARTS), "what to do", flag_values=values)
  for name, default, least, text in (
    ("devices", 4, 1, "most devices of weak and strong"),
    ("updates", 10, 0, "updates to time"),
  ):
    flags.DEFINE_integer(
      name, default, text, lower_bound=least, flag_values=values
    )
  flags.DEFINE_list(
    "meshes",
    ["2x1", "8x1", "1x2", "2x4", "4x2"],
    "of messages: devices that share rows x devices that share units",
    flag_values=values,
  )
  flags.DEFINE_bool("worker", False, "internal", flag_values=values)
  flags.DEFINE_string("coordinator", "", "internal", flag_values=values)
  for name in ("num_processes", "process_id"):
    flags.DEFINE_integer(name, None, "internal", flag_values=values)
  scaling_paper.define_flags(values)
  config = parse_config(argv, values, __doc__, "configs/char_lm.py")
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
  for part in PARTS:
    if part not in values.parts:
      continue
    if part in ("weak", "strong"):
      tables.append(scaling_table(words, part, rows, values.devices))
    elif part == "messages":
      tables.append(messages_table(words, rows, meshes))
    else:
      config.model.precision = "bfloat16"  # what the peaks are for
      counted = count_alone(config)
      tables.append(scaling_paper.table(counted, config, values))
    print(tables[-1] + "\n", flush=True)
  title = "# Scaling\n\n`" + " ".join(["python -m scripts.scaling", *words])
  (folder / "scaling.md").write_text("\n\n".join([title + "`", *tables]) + "\n")


if __name__ == "__main__":
  run_command(main)
