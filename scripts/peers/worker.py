"""One contender computes one case, in a process of its own.

  python -m scripts.peers.worker MODULE SETTING CASE

SETTING is "default", "tuned" (allocator and threads) or "split" (tuned, and the
batch over two host devices); CASE is JSON. Says in lines of JSON which versions
it has, then what a first run gave, then, for each number of runs that it reads,
how long they took; or "error". Each interpreter runs this file, so it imports
nothing but the standard library, NumPy and its contender.
"""

import ctypes
import importlib
import importlib.metadata
import json
import os
import signal
import sys
import time

import numpy as np

SPLIT_FLAGS = (
  "--xla_force_host_platform_device_count=2 --xla_cpu_multi_thread_eigen=false"
)


def tune():
  """glibc's malloc keeps large blocks; one thread for each core."""
  os.environ["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))
  mallopt = ctypes.CDLL("libc.so.6").mallopt
  settings = (
    (-4, 0),  # M_MMAP_MAX
    (-1, 2**31 - 1),  # M_TRIM_THRESHOLD
    (-2, 2**28),  # M_TOP_PAD
    (-8, 1),  # M_ARENA_MAX
  )
  if not all(mallopt(name, value) for name, value in settings):
    raise OSError("mallopt refused a setting")


def peak_bytes() -> int:
  """The most resident memory that the process had."""
  with open("/proc/self/status") as file:
    line = next(line for line in file if line.startswith("VmHWM"))
  return 1024 * int(line.split()[1])


def prepare(module, setting: str, case: dict):
  """The function that runs the case, after two runs: compilation, then a first
  estimate; and what is said of them."""
  temporary = None
  if hasattr(module, "layer"):  # a JAX library's
    from scripts.peers import jax_worker

    run = jax_worker.make(module, case, 2 if setting == "split" else 1)
    if case.get("temporary"):
      temporary = jax_worker.temporary_bytes(module, case)
  else:
    run = module.make(case)
  started = time.perf_counter()
  results = [
    np.asarray(result.cpu() if hasattr(result, "cpu") else result)
    for result in run()
  ]
  compiled = time.perf_counter()
  run()
  return run, {
    "first_seconds": compiled - started,
    "seconds": time.perf_counter() - compiled,
    "results": sum(a.size for a in results),
    "sound": all(bool(np.isfinite(a).all() and a.any()) for a in results),
    "temporary_bytes": temporary,
  }


def timed(run, times: int) -> dict:
  seconds = []
  for _ in range(times):
    started = time.perf_counter()
    run()
    seconds.append(time.perf_counter() - started)
  return {"seconds": seconds, "peak_bytes": peak_bytes()}


def main(name: str, setting: str, case: str):
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
  answers = os.fdopen(os.dup(1), "w")
  os.dup2(2, 1)  # what libraries print must not get among the answers

  def say(answer: dict):
    answers.write(json.dumps(answer) + "\n")
    answers.flush()

  try:
    if setting != "default":
      tune()
    if setting == "split":
      os.environ["XLA_FLAGS"] = SPLIT_FLAGS
    module = importlib.import_module(f"scripts.peers.{name}")
    versions = {p: importlib.metadata.version(p) for p in module.PACKAGES}
    say({"versions": versions | {"python": sys.version.split()[0]}})
    run, answer = prepare(module, setting, json.loads(case))
    say(answer)
    for line in sys.stdin:
      say(timed(run, int(line)))
  except Exception as error:  # any library's
    text = " ".join(str(error).split())[:200]
    say({"error": f"{type(error).__name__}: {text}"})


if __name__ == "__main__":
  main(*sys.argv[1:])
