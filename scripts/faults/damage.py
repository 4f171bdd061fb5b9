"""Files of checkpoints and of the compilation cache, damaged one by one."""

import os
import pathlib
import shutil

from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.errors import UserError
from lstm_jax.run import directory
from lstm_jax.run.build import build
from lstm_jax.training.state import run_step
from scripts.faults.base import (
  Finding,
  launch,
  run_digest,
  train_process,
  which_parameters,
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


def _files(folder, pattern="*") -> list[pathlib.Path]:
  """Those that are not empty."""
  files = (path for path in folder.rglob(pattern) if path.is_file())
  return sorted(path for path in files if path.stat().st_size)


def _train(folder, run, **environment) -> list[str]:
  """What is said of the compilation cache."""
  code, printed = train_process(folder, run, **environment)
  assert code == 0, printed
  return [line for line in printed.splitlines() if "cache" in line.lower()]


def checkpoint_files(folder: pathlib.Path, times: int):
  """Every file of the newest checkpoint, `times` damages of each."""
  _train(folder, "run")
  run, copy = folder / "run", folder / "copy"
  assets = directory.read_assets(run)
  _, state = build(directory.read_config(run), assets)
  with Checkpointer(run) as checkpointer:
    before, newest = checkpointer.steps()[-2:]
  files = [f.relative_to(run) for f in _files(run / f"checkpoints/{newest}")]
  for name, damage in list(DAMAGES.items())[:times]:
    bad = []
    for file in files:
      shutil.rmtree(copy, ignore_errors=True)
      shutil.copytree(run, copy)
      damage(copy / file)
      try:
        with Checkpointer(copy, writing=True) as checkpointer:
          restored, notes = checkpointer.restore_latest(state)
        sound = restored is not None and run_step(restored) == before
        sound = sound and any(str(newest) in note for note in notes)
      except UserError:
        sound = False
      bad += [] if sound else [file.name]
    found = f"{len(files) - len(bad)} of {len(files)} files"
    yield Finding(
      f"a file of the newest checkpoint {name}",
      "found, said, and the checkpoint before it is used",
      found + (f"; not {', '.join(bad)}" if bad else ""),
      not bad,
    )


def cache_entries(folder: pathlib.Path, times: int):
  """A torn entry, and two processes that fill one cache."""
  cache = {"XDG_CACHE_HOME": str(folder / "cache")}
  _train(folder, "first", **cache)
  entries = _files(folder / "cache", "*-cache")
  for path in entries:
    _truncate(path)
  torn, after = (len(_train(folder, run, **cache)) for run in ("torn", "after"))
  same = run_digest(folder, "first") == run_digest(folder, "torn")
  yield Finding(
    f"all {len(entries)} entries of the compilation cache torn",
    "one line for each, entries replaced, silence after that",
    f"{torn} lines at the next start, {after} at the one after;"
    f" {which_parameters(same)}",
    0 < torn <= len(entries) and after == 0 and same,
  )
  shutil.rmtree(folder / "cache")
  pair = [launch(folder, f"both{k}", **cache) for k in (0, 1)]
  printed = "".join(p.communicate(timeout=300)[0] for p in pair)
  said = [line for line in printed.splitlines() if "cache" in line]
  said += _train(folder, "both2", **cache)
  same = len({run_digest(folder, f"both{k}") for k in (0, 1, 2)}) == 1
  yield Finding(
    "two processes fill an empty compilation cache at once",
    "both train, nothing torn",
    f"exit codes {pair[0].returncode} and {pair[1].returncode},"
    f" {len(said)} warnings, {which_parameters(same)}",
    same and not said and not any(p.returncode for p in pair),
  )
