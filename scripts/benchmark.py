"""What the benchmarks against other libraries share: flags, and measuring."""

import datetime
import json
import os
import pathlib
import shutil
import sys
import tempfile

from absl import flags

from experiments.command_line import (
  EXIT_SAVED_ON_SIGINT,
  make_folder,
  new_flags,
)
from lstm_jax.errors import ConfigError
from lstm_jax.files import write_atomically
from scripts import benchmark_report
from scripts.machine import machine
from scripts.peers.processes import Peers, measure


def define_flags(output: str, **lists) -> flags.FlagValues:
  """The flags of all benchmarks; lists: names and defaults of more."""
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
  for name, default in lists.items():
    text = f"of {', '.join(default)}"
    flags.DEFINE_list(name, list(default), text, flag_values=values)
  return values


def be_quick(values: flags.FlagValues, quick: dict):
  """With --quick, these values of the flags that were not given."""
  for name, value in quick.items():
    if values.quick and not values[name].present:
      setattr(values, name, value)


def chosen(flag: str, wanted: list[str], known) -> list[str]:
  """The wanted names, checked."""
  for name in wanted:
    if name not in known:
      raise ConfigError(f'--{flag}: no "{name}"; there are {", ".join(known)}')
  return wanted


def chosen_peers(values: flags.FlagValues, modules: dict) -> list[str]:
  """The contenders; all on this platform, where none are named."""
  if values["peers"].using_default_value:
    return list(modules)
  return chosen("peers", values.peers, modules)


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


def benchmark(
  groups: list[list[dict]],
  modules: dict[str, str],
  pythons: dict[str, str],
  seconds: float,
  show,
  note,
  on: str = "cpu",
) -> dict:
  """Measures the groups one after the other.

  Args:
    groups: lists of records, which are measured in turn.
    modules: files of scripts/peers by peer.
    pythons: interpreters by peer; this one for the others.
    seconds: for each record's runs.
    show, note: take a line that moves, and one that stays.
    on: "cpu" or "gpu".
  """
  started = datetime.datetime.now(datetime.UTC)
  pythons = dict.fromkeys(modules, sys.executable) | pythons
  peers = Peers(pythons, modules, note, {"cpu": "cpu", "gpu": "cuda"}[on])
  complete = False
  try:
    for i, group in enumerate(groups):
      title = f"{group[0]['section']}, {', '.join(group[0]['row'])}"
      place = f"{i + 1}/{len(groups)}  {title}"
      measure(group, peers, seconds, lambda text, p=place: show(f"{p}  {text}"))
      for record in group:
        if "error" in record and record["peer"] in peers.versions:
          note(f"{title}: {record['peer']}: {record['error']}")
    complete = True
  except KeyboardInterrupt:
    note("interrupted; the report holds what was measured")
  return {
    "date": started.isoformat(timespec="seconds"),
    "complete": complete,
    "seconds_per_case": seconds,
    "machine": machine(on),
    "versions": peers.versions,
    "records": [record for group in groups for record in group],
  }


def measure_and_write(title: str, groups, modules, values, argv) -> int:
  """Measures the groups, writes benchmark.json and the report; exit code."""
  clear = "\r\x1b[2K" if sys.stdout.isatty() else ""

  def show(text):
    if clear:
      print(clear + text[:78], end="", flush=True)

  def note(text):
    print(clear + text, flush=True)

  pythons = interpreters(values.python, modules)
  machine(values.platform)  # says so where there is no GPU
  output: pathlib.Path = make_folder(values, "output")
  tempfile.TemporaryFile(dir=output).close()  # says so where it is read-only
  results = benchmark(
    groups, modules, pythons, values.seconds, show, note, values.platform
  )
  show("")
  results |= {"title": title, "command": " ".join(argv)}
  write_atomically(output / "benchmark.json", json.dumps(results, indent=1))
  for path in benchmark_report.write_report(results, output):
    note(str(path))
  return 0 if results["complete"] else EXIT_SAVED_ON_SIGINT
