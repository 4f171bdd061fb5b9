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
  Fault,
  Finding,
  command,
  digest,
  error_line,
  train,
  uninterrupted,
  words_of,
)

_SKIPPED = "not tried: unshare cannot mount here"


def _in_namespace(script: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    timeout=600,
  )


def can_mount(folder: pathlib.Path) -> bool:
  if not shutil.which("unshare"):
    return False
  place = shlex.quote(str(folder))
  return not _in_namespace(f"mount -t tmpfs tmpfs {place}").returncode


def full_disk(folder: pathlib.Path, times: int) -> list[Finding]:
  """The disk fills up during the run; then room is made and it goes on."""
  wanted = uninterrupted(folder)
  disk = folder / "disk"
  disk.mkdir()
  fault = "disk full while saving"
  if not can_mount(disk):
    return [Finding(fault, "", _SKIPPED, False)]
  line = shlex.join(command(*words_of(folder, "disk/run")))
  place = shlex.quote(str(disk))
  script = f"""
    mount -t tmpfs -o size=8m tmpfs {place}
    (while [ ! -d {place}/run/checkpoints/20 ]; do sleep 0.02; done
     dd if=/dev/zero of={place}/filler bs=64k 2>/dev/null) &
    {line}; echo "exit code $?"
    kill $! 2>/dev/null; wait
    rm -f {place}/filler
    {line}; echo "exit code $?"
    cp -r {place}/run {shlex.quote(str(folder))}/run
  """
  done = _in_namespace(script)
  printed = done.stdout + done.stderr
  first = printed.split("exit code")[0]
  codes = [t.split()[-1] for t in printed.splitlines() if "exit code" in t]
  same = digest(folder, "run") == wanted
  said = error_line(done.stderr).replace(str(disk), "DISK")
  return [
    Finding(
      fault,
      "one clear line; the last good checkpoint is used once there is room",
      f"`{said}`; exit codes {', '.join(codes)};"
      f" {'the same' if same else 'other'} parameters at the end",
      codes == ["2", "0"] and same and "Traceback" not in first,
    )
  ]


def read_only(folder: pathlib.Path, times: int) -> list[Finding]:
  disk = folder / "disk"
  disk.mkdir()
  fault = "run directory on a disk that is read-only"
  if not can_mount(disk):
    return [Finding(fault, "", _SKIPPED, False)]
  line = shlex.join(command(*words_of(folder, "disk/run")))
  place = shlex.quote(str(disk))
  done = _in_namespace(f"""
    mount -t tmpfs -o size=8m tmpfs {place}
    {line} --config.train.steps=50 --config.run.save_every=50 > /dev/null
    mount -o remount,ro {place}
    {line} --config.train.steps=50 --config.run.save_every=50
    echo "exit code $?"
  """)
  said = error_line(done.stderr).replace(str(disk), "DISK")
  good = done.stdout.strip().endswith("exit code 2")
  return [
    Finding(
      fault,
      "one clear line",
      f"`{said}`",
      good and said.startswith("error: "),
    )
  ]


def quota(folder: pathlib.Path, times: int) -> list[Finding]:
  """No file may grow beyond 16 KiB: the log gets there first."""
  wanted = uninterrupted(folder)
  words = words_of(
    folder, "run", "--config.run.log_every=1", "--config.run.compilation_cache="
  )
  line = shlex.join(command(*words))
  done = subprocess.run(
    ["bash", "-c", f"ulimit -f 16; {line}"],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  said = error_line(done.stderr).replace(str(folder), "DIR")
  code, printed = train(folder, "run")
  same = code == 0 and digest(folder, "run") == wanted
  return [
    Finding(
      "a quota on the size of files is reached in the log",
      "one clear line, and the run goes on once there is room",
      f"`{said}`; {'the same' if same else 'other'} parameters at the end",
      done.returncode == 2 and "cannot be written" in said and same,
    )
  ]


FAULTS = {
  "full_disk": Fault(full_disk, 1),
  "read_only": Fault(read_only, 1),
  "quota": Fault(quota, 1),
}
