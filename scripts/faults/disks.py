"""Disks that are full, read-only or rationed.

A file system in memory, mounted for one process and its children (`unshare`,
Linux), stands for the disk.
"""

import pathlib
import shlex
import shutil
import subprocess

from scripts.faults.base import (
  REPOSITORY,
  Finding,
  command,
  error_line,
  run_digest,
  train_process,
  uninterrupted,
  which_parameters,
  words_of,
)

_SKIPPED = "not tried: unshare cannot mount here"


def _shell(*words: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    words, cwd=REPOSITORY, capture_output=True, text=True, timeout=600
  )


def _on_disk(folder: pathlib.Path, script: str):
  """Runs a script that mounts folder/disk; None where that is not possible."""
  (folder / "disk").mkdir()
  enter = ("unshare", "--map-root-user", "--mount", "sh", "-c")
  mount = f"mount -t tmpfs -o size=8m tmpfs {_place(folder)}\n"
  if not shutil.which("unshare") or _shell(*enter, mount).returncode:
    return None
  return _shell(*enter, mount + script)


def _place(folder) -> str:
  return shlex.quote(str(folder / "disk"))


def _line(folder, *words: str) -> str:
  return shlex.join(command(*words_of(folder, *words)))


def full_disk(folder: pathlib.Path, times: int):
  """The disk fills up during the run; then room is made and it goes on."""
  wanted, fault = uninterrupted(folder), "disk full while saving"
  line, place = _line(folder, "disk/run"), _place(folder)
  script = f"""
    (while [ ! -d {place}/run/checkpoints/20 ]; do sleep 0.02; done
     dd if=/dev/zero of={place}/filler bs=64k 2>/dev/null) &
    {line}; echo "exit code $?"
    kill $! 2>/dev/null; wait
    rm -f {place}/filler
    {line}; echo "exit code $?"
    cp -r {place}/run {shlex.quote(str(folder))}/run
  """
  if not (done := _on_disk(folder, script)):
    yield Finding(fault, "", _SKIPPED, False)
    return
  printed = done.stdout + done.stderr
  codes = [t.split()[-1] for t in printed.splitlines() if "exit code" in t]
  same = run_digest(folder, "run") == wanted
  said = error_line(done.stderr, folder / "disk", "DISK")
  yield Finding(
    fault,
    "one clear line; the last good checkpoint is used once there is room",
    f"`{said}`; exit codes {', '.join(codes)}; {which_parameters(same)} at the"
    " end",
    codes == ["2", "0"] and same and said.startswith("error: "),
  )


def read_only(folder: pathlib.Path, times: int):
  fault = "run directory on a disk that is read-only"
  short = "--config.train.steps=50", "--config.run.save_every=50"
  line = _line(folder, "disk/run", *short)
  script = f"""
    {line} > /dev/null
    mount -o remount,ro {_place(folder)}
    {line}
    echo "exit code $?"
  """
  if not (done := _on_disk(folder, script)):
    yield Finding(fault, "", _SKIPPED, False)
    return
  said = error_line(done.stderr, folder / "disk", "DISK")
  good = done.stdout.strip().endswith("exit code 2")
  sound = good and said.startswith("error: ")
  yield Finding(fault, "one clear line", f"`{said}`", sound)


def quota(folder: pathlib.Path, times: int):
  """No file may grow beyond 16 KiB: the log gets there first."""
  wanted = uninterrupted(folder)
  every = "--config.run.log_every=1", "--config.run.compilation_cache="
  line = _line(folder, "run", *every)
  done = _shell("bash", "-c", f"ulimit -f 16; {line}")
  said = error_line(done.stderr, folder)
  code, _ = train_process(folder, "run")
  same = code == 0 and run_digest(folder, "run") == wanted
  yield Finding(
    "a quota on the size of files is reached in the log",
    "one clear line, and the run goes on once there is room",
    f"`{said}`; {which_parameters(same)} at the end",
    done.returncode == 2 and "cannot be written" in said and same,
  )
