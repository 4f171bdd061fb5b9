"""One contender in a process of its own: JSON lines in, JSON lines out.

  python -m scripts.peers.worker MODULE SETTING

SETTING is "default", "tuned" (allocator and threads) or "split" (tuned, and the
batch over two host devices). Commands are `prepare`, `run` and `release`; an
answer holds "error" where one failed. Each interpreter runs this file, so it
imports nothing but the standard library, NumPy and its contender.
"""

import ctypes
import gc
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


def forget_peak():
  """Starts the peak of resident memory anew."""
  try:
    with open("/proc/self/clear_refs", "w") as file:
      file.write("5")
  except OSError:
    pass  # then the peak is that of the whole process


def peak_bytes() -> int:
  with open("/proc/self/status") as file:
    line = next(line for line in file if line.startswith("VmHWM"))
  return 1024 * int(line.split()[1])


def make(module, setting: str, case: dict):
  """The function that runs the case once, blocks, and returns its results."""
  if case["kind"] == "layer" and hasattr(module, "layer"):
    from scripts.peers import jax_worker

    return jax_worker.make(module, case, 2 if setting == "split" else 1)
  return module.make(case)


def prepare(module, setting: str, case: dict, runs: list) -> dict:
  """Builds a case and runs it twice: compilation, then a first estimate."""
  forget_peak()
  run = make(module, setting, case)
  started = time.perf_counter()
  results = [
    np.asarray(result.cpu() if hasattr(result, "cpu") else result)
    for result in run()
  ]
  compiled = time.perf_counter()
  run()
  answer = {
    "number": len(runs),
    "first_seconds": compiled - started,
    "seconds": time.perf_counter() - compiled,
    "results": sum(a.size for a in results),
    "sound": all(bool(np.isfinite(a).all() and a.any()) for a in results),
  }
  if case.get("temporary"):
    from scripts.peers import jax_worker

    answer["temporary_bytes"] = jax_worker.temporary_bytes(module, case)
  runs.append(run)
  return answer


def timed(run, times: int) -> dict:
  seconds = []
  for _ in range(times):
    started = time.perf_counter()
    run()
    seconds.append(time.perf_counter() - started)
  return {"seconds": seconds}


def release(runs: list) -> dict:
  """Drops what was prepared and gives its memory back to the system."""
  answer = {"peak_bytes": peak_bytes()}
  runs.clear()
  gc.collect()
  ctypes.CDLL("libc.so.6").malloc_trim(0)
  return answer


def one_line(error: BaseException) -> str:
  return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def main(name: str, setting: str):
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
  except (ImportError, OSError) as error:
    return say({"error": one_line(error)})
  say({"versions": versions | {"python": sys.version.split()[0]}})
  runs = []
  for line in sys.stdin:
    command = json.loads(line)
    try:
      if command["do"] == "prepare":
        say(prepare(module, setting, command["case"], runs))
      elif command["do"] == "run":
        say(timed(runs[command["number"]], command["times"]))
      else:
        say(release(runs))
    except Exception as error:  # any library's; the others go on
      say({"error": one_line(error)})


if __name__ == "__main__":
  main(*sys.argv[1:])
