"""A long run: does memory or the number of open files grow?"""

import os
import pathlib
import time

import numpy as np

from scripts.faults.base import Fault, Finding, command, start, words_of


def long_run(folder: pathlib.Path, times: int) -> list[Finding]:
  """Trains for so many minutes, with evaluation, saves and TensorBoard."""
  words = words_of(
    folder,
    "run",
    "--config.train.steps=100000000",
    "--config.run.tensorboard=true",
    "--config.run.save_every=100",
  )
  log = (folder / "printed").open("w")
  process = start(command(*words))
  os.set_blocking(process.stdout.fileno(), False)
  samples, began = [], time.monotonic()
  while (seconds := time.monotonic() - began) < 60 * times:
    time.sleep(5)
    log.write(process.stdout.read() or "")
    if process.poll() is not None:
      break
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    memory = next(t for t in status.splitlines() if t.startswith("VmRSS"))
    files = len(os.listdir(f"/proc/{process.pid}/fd"))
    samples.append((seconds / 3600, int(memory.split()[1]) / 1024, files))
  process.kill()
  process.communicate()
  hours, memory, files = np.array(samples).T
  later = hours > hours[-1] / 3  # caches have filled up by then
  slope = np.polyfit(hours[later], memory[later], 1)[0]
  lines = (folder / "run/metrics.jsonl").read_text().count("\n")
  return [
    Finding(
      f"{times} minutes of training with validation, saves and TensorBoard",
      "memory flat, no growth of open files",
      f"{memory[-1]:.0f} MiB at the end, {slope:+.1f} MiB an hour in the last"
      f" two thirds; {files[later].min():.0f} to {files[later].max():.0f} open"
      f" files; {lines:,} lines of metrics",
      abs(slope) < 0.05 * memory[-1] and np.ptp(files[later]) < 20,
    )
  ]


FAULTS = {"endurance": Fault(long_run, 30)}
