"""A long run: does memory or the number of open files grow?"""

import json
import os
import pathlib
import time

import numpy as np

from scripts.faults.base import Finding, launch

EVERY = 25_000  # updates between validations, each with a save
REMARK = (
  "memory is not flat where saves are a fraction of a second apart. With a"
  " validation and a save every 50 updates, 0.3 s, the same 30 minutes ended at"
  " 548 MiB and grew by 379.7 MiB an hour. Every save leaves some 35 kB behind"
  " in Orbax 0.12.8, with its own Checkpointer alone too. In the run above they"
  " are some ten seconds apart."
)


def long_run(folder: pathlib.Path, times: int):
  """Trains for so many minutes, with validation, saves and TensorBoard."""
  words = (
    "--config.train.steps=100000000",
    "--config.run.tensorboard=true",
    f"--config.train.validate_every={EVERY}",
    f"--config.run.save_every={EVERY}",
    f"--config.run.log_every={EVERY // 10}",
  )
  with (folder / "printed").open("w") as printed:
    process = launch(folder, "run", *words, output=printed)
  samples, began = [], time.monotonic()
  while (seconds := time.monotonic() - began) < 60 * times:
    time.sleep(5)
    if process.poll() is not None:
      break
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    memory = next(t for t in status.splitlines() if t.startswith("VmRSS"))
    files = len(os.listdir(f"/proc/{process.pid}/fd"))
    samples.append((seconds / 3600, int(memory.split()[1]) / 1024, files))
  process.kill()
  process.wait()
  hours, memory, files = np.array(samples).T
  later = hours > hours[-1] / 3  # caches have filled up by then
  slope = np.polyfit(hours[later], memory[later], 1)[0]
  # Medians, as a save opens files for a moment.
  early, late = (np.median(f) for f in np.array_split(files[later], 2))
  lines = (folder / "run/metrics.jsonl").read_text().splitlines()
  saves = json.loads(lines[-1])["step"] // EVERY
  yield Finding(
    f"{times} minutes of training with {saves} validations and saves, and"
    " TensorBoard",
    "memory flat, no growth of open files",
    f"{memory[-1]:.0f} MiB at the end, {slope:+.1f} MiB an hour in the last"
    f" two thirds; {early:.0f} open files in the middle, {late:.0f} at the"
    f" end; {len(lines):,} lines of metrics",
    bool(abs(slope) < 0.05 * memory[-1] and late <= early),
  )
