"""Files that were made to do harm."""

import os
import pathlib
import zipfile

import numpy as np

from scripts.faults.base import (
  Fault,
  Finding,
  command,
  error_line,
  finish,
  start,
  train,
  words_of,
)

_MARK = "harm-was-done"


class _Harm:
  """Unpickling it makes a file."""

  def __init__(self, folder):
    self._path = str(folder / _MARK)

  def __reduce__(self):
    return os.mkdir, (self._path,)


def _finding(folder, fault, code, printed) -> Finding:
  harmed = (folder / _MARK).exists()
  said = error_line(printed).replace(str(folder), "DIR")
  return Finding(
    fault,
    "refused in one line; no code run, nothing written",
    f"`{said}`" + ("; CODE WAS RUN" if harmed else ""),
    code == 2 and said.startswith("error: ") and not harmed,
  )


def _read(folder, name, fault) -> Finding:
  corpus = f"--config.task.corpus={folder / name}"
  return _finding(folder, fault, *train(folder, "run", corpus))


def _pickle(folder) -> Finding:
  harm = np.array([_Harm(folder)], dtype=object)
  np.savez(
    folder / "digits.npz",
    x_train=harm,
    y_train=harm,
    x_test=harm,
    y_test=harm,
  )
  code, printed = _digits(folder, folder / "digits.npz")
  return _finding(folder, "pickles in an npz file", code, printed)


def _digits(folder, source):
  return finish(
    command(
      "--config=configs/digits.py:tiny",
      f"--workdir={folder / 'run'}",
      f"--config.task.source={source}",
    )
  )


def _traversal(folder) -> Finding:
  """Names that lead out of the folder where an archive would be unpacked."""
  inside = folder / "inside"
  inside.mkdir()
  with zipfile.ZipFile(inside / "evil.zip", "w") as archive:
    for split in ("train", "valid", "test"):
      archive.writestr(f"../{_MARK}.{split}.txt", "red green blue " * 4000)
  corpus = f"--config.task.corpus={inside / 'evil.zip'}"
  code, printed = train(folder, "run", corpus)
  written = list(folder.rglob(f"{_MARK}*"))
  return Finding(
    "path traversal in a zip file",
    "nothing written outside the run directory",
    f"exit code {code} (read in memory), {len(written)} files written",
    not written and "Traceback" not in printed,
  )


def _bomb(folder) -> Finding:
  """10 GB of zeros, 10 MB packed."""
  block = b"\0" * 2**24
  with zipfile.ZipFile(
    folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED
  ) as archive:
    for split in ("train", "valid", "test"):
      size = 10 * 2**30 if split == "train" else 2**24
      with archive.open(f"{split}.txt", "w", force_zip64=True) as file:
        for _ in range(size // len(block)):
          file.write(block)
  corpus = f"--config.task.corpus={folder / 'bomb.zip'}"
  process = start(command(*words_of(folder, "run", corpus)))
  printed = process.stdout.read()
  _, status, usage = os.wait4(process.pid, 0)
  process.returncode = os.waitstatus_to_exitcode(status)
  finding = _finding(folder, "a zip file of 10 GB", process.returncode, printed)
  memory = usage.ru_maxrss * 1024 / 1e6  # in KiB on Linux
  return finding._replace(
    found=f"{finding.found}; at most {memory:.0f} MB of memory",
    sound=finding.sound and memory < 2000,
  )


def _link(folder) -> Finding:
  target = folder / "precious"
  target.write_text("precious")
  (folder / "run").mkdir()
  (folder / "run" / "lock").symlink_to(target)
  code, printed = train(folder, "run")
  finding = _finding(folder, "a symbolic link as lock", code, printed)
  kept = target.read_text() == "precious"
  return finding._replace(sound=finding.sound and kept)


def hostile_files(folder: pathlib.Path, times: int) -> list[Finding]:
  (folder / "nul.txt").write_bytes(b"red\0green " * 6000)
  (folder / "utf8.txt").write_bytes(b"red \xff\xfe green " * 6000)
  code, printed = train(
    folder, "nul", f"--config.task.corpus={folder / 'nul.txt'}"
  )
  nul = Finding(
    "NUL bytes in a text",
    "read as characters, or refused in one line",
    f"exit code {code}"
    + (f", `{error_line(printed)}`" if code else ", they are characters"),
    "Traceback" not in printed and code in (0, 2),
  )
  invalid = _read(folder, "utf8.txt", "invalid UTF-8 in a text")
  findings = [nul, invalid]
  for make in (_pickle, _traversal, _bomb, _link):
    place = folder / make.__name__
    place.mkdir()
    findings.append(make(place))
    print(f"  {findings[-1].fault}: {findings[-1].sound}", flush=True)
  return findings


FAULTS = {"hostile": Fault(hostile_files, 1)}
