"""Files of checkpoints and of the compilation cache, damaged one by one."""

import os
import pathlib
import shutil

from experiments.train import experiment_lib
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.errors import UserError
from lstm_jax.run import directory
from lstm_jax.training.state import run_step
from scripts.faults.base import (
  Fault,
  Finding,
  command,
  digest,
  finish,
  start,
  train,
  words_of,
)


def _truncate(path):
  os.truncate(path, path.stat().st_size // 2)


def _flip(path):
  """One bit in the middle."""
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 4
  path.write_bytes(data)


DAMAGES = {
  "truncated": _truncate,
  "deleted": pathlib.Path.unlink,
  "emptied": lambda path: os.truncate(path, 0),
  "with a flipped bit": _flip,
}


def checkpoint_files(folder: pathlib.Path, times: int) -> list[Finding]:
  """Every file of the newest checkpoint, `times` damages of each."""
  code, printed = train(folder, "run")
  assert code == 0, printed
  run = folder / "run"
  config = directory.read_config(run)
  assets = directory.read_assets(run)
  _, state = experiment_lib.build(config, assets)
  with Checkpointer(run) as checkpointer:
    before, newest = checkpointer.steps()[-2:]
  place = f"checkpoints/{newest}"
  files = sorted(
    path.relative_to(run)
    for path in (run / place).rglob("*")
    if path.is_file() and path.stat().st_size
  )
  findings = []
  for name in list(DAMAGES)[:times]:
    good, bad = 0, []
    for file in files:
      copy = folder / "copy"
      shutil.rmtree(copy, ignore_errors=True)
      shutil.copytree(run, copy)
      DAMAGES[name](copy / file)
      try:
        with Checkpointer(copy, writing=True) as checkpointer:
          restored, notes = checkpointer.restore_latest(state)
        sound = restored is not None and run_step(restored) == before
        sound = sound and any(str(newest) in note for note in notes)
      except UserError:
        sound = False
      good += sound
      bad += [] if sound else [file.name]
    found = f"{good} of {len(files)} files"
    findings.append(
      Finding(
        f"a file of the newest checkpoint {name}",
        "found, said, and the checkpoint before it is used",
        found + (f"; not {', '.join(bad)}" if bad else ""),
        good == len(files),
      )
    )
    print(f"  {name}: {found}", flush=True)
  return findings


def cache_entries(folder: pathlib.Path, times: int) -> list[Finding]:
  """A torn entry, and two processes that fill one cache."""
  cache = {"XDG_CACHE_HOME": str(folder / "cache")}
  code, printed = train(folder, "first", **cache)
  assert code == 0, printed
  entries = [
    path
    for path in (folder / "cache").rglob("*-cache")
    if path.is_file() and path.stat().st_size
  ]
  for path in entries:
    _truncate(path)
  lines = []
  for run in ("torn", "after"):
    code, printed = train(folder, run, **cache)
    said = [t for t in printed.splitlines() if "cache" in t.lower()]
    lines.append(len(said))
    assert code == 0, printed
  same = digest(folder, "first") == digest(folder, "torn")
  findings = [
    Finding(
      f"all {len(entries)} entries of the compilation cache torn",
      "one line for each, entries replaced, silence after that",
      f"{lines[0]} lines at the next start, {lines[1]} at the one after;"
      f" {'the same' if same else 'other'} parameters",
      0 < lines[0] <= len(entries) and lines[1] == 0 and same,
    )
  ]
  shutil.rmtree(folder / "cache")
  pair = [
    start(command(*words_of(folder, f"both{k}")), **cache) for k in (0, 1)
  ]
  printed = [process.communicate(timeout=300)[0] for process in pair]
  code, after = finish(command(*words_of(folder, "both2")), **cache)
  said = [t for t in "".join([*printed, after]).splitlines() if "cache" in t]
  equal = len({digest(folder, f"both{k}") for k in (0, 1, 2)}) == 1
  findings.append(
    Finding(
      "two processes fill an empty compilation cache at once",
      "both train, nothing torn",
      f"exit codes {pair[0].returncode} and {pair[1].returncode},"
      f" {len(said)} warnings, {'the same' if equal else 'other'} parameters",
      equal and not said and not any(p.returncode for p in pair),
    )
  )
  return findings


FAULTS = {
  "damage": Fault(checkpoint_files, len(DAMAGES)),
  "cache": Fault(cache_entries, 1),
}
