"""The SHA-256 of every file of a checkpoint, and its loss, beside them.

Orbax commits a checkpoint atomically but loads flipped bytes without a word.
"""

import hashlib
import json
import math
import pathlib
from typing import Any, NamedTuple

from lstm_jax.files import write_atomically

MANIFEST = "manifest.json"


class Validation(NamedTuple):
  """What a validation found; infinite where there was none."""

  loss: float  # nats a token
  cost: float | None  # the score to watch, less is better; None in old ones


NONE = Validation(math.inf, math.inf)
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


def read_validation(directory: pathlib.Path) -> Validation | None:
  """What the manifest says; None without a sound one."""
  try:
    contents = _read(directory)
    cost = contents.get("cost")
    return Validation(
      float(contents["loss"]), None if cost is None else float(cost)
    )
  except (OSError, ValueError, KeyError, TypeError):
    return None


def write_manifest(directory: pathlib.Path, validation: Validation):
  contents = {**validation._asdict(), "sha256": _hashes(directory)}
  sealed = contents | {"seal": _seal(contents)}
  text = json.dumps(sealed, indent=2, sort_keys=True)
  write_atomically(directory / MANIFEST, text + "\n")


def _read(directory: pathlib.Path) -> dict[str, Any]:
  """The manifest's contents; raises ValueError if they are not as written."""
  sealed = json.loads((directory / MANIFEST).read_bytes())
  seal = sealed.pop("seal", "") if isinstance(sealed, dict) else ""
  if seal != _seal(sealed):
    raise ValueError("the seal does not match")
  return sealed


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
