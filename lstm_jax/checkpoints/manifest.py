"""The SHA-256 of every file of a checkpoint, and its loss, beside them.

Orbax commits a checkpoint atomically but loads flipped bytes without a word.
"""

import hashlib
import json
import pathlib
from typing import Any

from lstm_jax.files import write_atomically

MANIFEST = "manifest.json"
UNFINISHED = "was not finished"


def find_damage(directory: pathlib.Path) -> str | None:
  """What is wrong with a checkpoint's files; None if they are as saved."""
  try:
    wanted = _read(directory)["sha256"]
  except FileNotFoundError:
    return UNFINISHED
  except (OSError, ValueError, KeyError, TypeError):
    return "is damaged: its manifest.json is not as it was written"
  try:
    present = _hashes(directory)
  except OSError as error:
    return f"is damaged: {error.filename} cannot be read"
  for name in sorted(wanted):
    if name not in present:
      return f"is damaged: {name} is missing"
    if present[name] != wanted[name]:
      return f"is damaged: {name} has changed"
  return None


def read_loss(directory: pathlib.Path) -> float | None:
  """The validation loss that the manifest holds; None without a sound one."""
  try:
    return float(_read(directory)["loss"])
  except (OSError, ValueError, KeyError, TypeError):
    return None


def write_manifest(directory: pathlib.Path, loss: float):
  """loss: nats a token on validation, infinite where there was none."""
  contents = {"loss": loss, "sha256": _hashes(directory)}
  sealed = contents | {"seal": _seal(contents)}
  text = json.dumps(sealed, indent=2, sort_keys=True)
  write_atomically(directory / MANIFEST, text + "\n")


def _read(directory: pathlib.Path) -> dict[str, Any]:
  """The manifest's contents; raises ValueError if they are not as written."""
  sealed = json.loads((directory / MANIFEST).read_bytes())
  contents = {"loss": sealed["loss"], "sha256": sealed["sha256"]}
  if sealed["seal"] != _seal(contents):
    raise ValueError("the seal does not match")
  return contents


def _seal(contents: dict[str, Any]) -> str:
  text = json.dumps(contents, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _hashes(directory: pathlib.Path) -> dict[str, str]:
  hashes = {}
  for path in sorted(directory.rglob("*")):
    if path.is_file() and path.name != MANIFEST:
      with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
      hashes[path.relative_to(directory).as_posix()] = digest
  return hashes
