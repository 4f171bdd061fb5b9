"""How training scales over this machine's cores: weak and strong scaling.

  python -m scripts.scaling --output=runs/scaling
  python -m scripts.scaling --output=runs/large --parts=weak \\
      --config.model.hidden_sizes=1024,1024 --config.train.batch_size=64

Measures an update on 1, 2, ... virtual devices of one process, and on as many
processes, each device with one thread: train.batch_size rows for each device
(weak) and in all (strong). Tables are printed and written to OUTPUT/scaling.md.
"""

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
from lstm_jax.parallel import processes, runtime
from lstm_jax.run.build import build
from scripts.markdown import table

PARTS = ("weak", "strong")


def run_worker(config, updates: int) -> float:
  """One of the processes of a measurement: median seconds of an update."""
  devices = start_process(config, [])
  experiment, state = build(config, devices=devices)
  seconds = []
  for _ in range(updates + 2):  # the first compiles and warms up
    started = time.perf_counter()
    state, metrics = experiment.train_call(state, experiment.data)
    jax.block_until_ready((state, metrics))
    seconds.append(time.perf_counter() - started)
  return statistics.median(seconds[2:])


def measure_speed(words: list[str], count: int, **fields: int) -> float:
  """Runs `count` processes with config fields, and returns the first's seconds.

  Raises:
    RunError: one of them failed.
  """
  with socket.socket() as test:
    test.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{test.getsockname()[1]}"
  devices = fields["run.devices"]
  environment = os.environ | {
    "NPROC": str(devices // count),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
  }
  command = [sys.executable, "-m", "scripts.scaling", "--worker"]
  command += sweeps.override(words, sweeps.override_words(fields))
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
  return float(printed[0][0].splitlines()[-1])


def scaling_table(words, kind: str, rows: int, most: int) -> str:
  """Time of an update against the number of devices."""
  lines, first = [], None
  for devices in (2**n for n in range(20) if 2**n <= most):
    if kind == "strong" and rows % devices:
      continue
    for count in sorted({1, devices}):
      batch = rows * devices if kind == "weak" else rows
      fields = {"train.batch_size": batch, "run.devices": devices}
      seconds = measure_speed(words, count, **fields)
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


def scaling_flags() -> flags.FlagValues:
  values = new_flags()
  for name, default, text in (
    ("output", None, "folder of the tables"),
    ("coordinator", "", "internal"),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  for name, default, least, text in (
    ("devices", 4, 1, "most devices of weak and strong"),
    ("updates", 10, 1, "updates to time"),
    ("num_processes", None, None, "internal"),
    ("process_id", None, None, "internal"),
  ):
    flags.DEFINE_integer(
      name, default, text, lower_bound=least, flag_values=values
    )
  flags.DEFINE_list("parts", list(PARTS), "what to do", flag_values=values)
  flags.DEFINE_bool("worker", False, "internal", flag_values=values)
  return values


def main(argv: list[str]):
  values = scaling_flags()
  config = parse_config(argv, values, __doc__, "configs/char_lm.py")
  if values.worker:
    with processes.joined(
      values.coordinator, values.num_processes, values.process_id
    ):
      print(run_worker(config, values.updates))
    return
  if not values.output:
    raise ConfigError("--output is missing; give a folder for the tables")
  if unknown := set(values.parts) - set(PARTS):
    raise ConfigError(f"--parts: {min(unknown)} is none of {', '.join(PARTS)}")
  folder = make_folder(values, "output")
  words, rows, tables = argv[1:], config.train.batch_size, []
  for part in (part for part in PARTS if part in values.parts):
    tables.append(scaling_table(words, part, rows, values.devices))
    print(tables[-1] + "\n", flush=True)
  title = "# Scaling\n\n`" + " ".join(["python -m scripts.scaling", *words])
  (folder / "scaling.md").write_text("\n\n".join([title + "`", *tables]) + "\n")


if __name__ == "__main__":
  run_command(main)
