"""Command lines that nobody would type."""

import pathlib
import random

from experiments.command_line import new_flags, parse_config
from lstm_jax.config import fields
from lstm_jax.errors import ConfigError
from scripts.faults.base import Finding

_VALUES = (
  *("", "0", "-1", "1", "2", "1e400", "nan", "inf", "-0.0", "1.5", "True"),
  *("None", "[]", "(1,", "1,2,3", "{}", "'", '"', "\\", "\0", "\n", "--", "="),
  *("ü", "𝟙", "a" * 5000, "9" * 400, "lstm", "adam", "../..", "/dev/null"),
  *("~x", "lambda: 0", "__import__('os')", "${HOME}", "%s", "[1, [2]]"),
  "1_000",
)
_FILES = (
  *("char_lm", "adding", "digits", "zaremba_2014", "hochreiter_1997"),
  *("temporal_order", "nothing", ""),
)


def _fields() -> list[str]:
  words = ["x", "--config=configs/char_lm.py:tiny"]
  return sorted(fields(parse_config(words, new_flags(), "")))


def command_line(rng: random.Random, names: list[str]) -> list[str]:
  """Arguments of a training command, some of them sound."""
  variant = rng.choice(["tiny"] * 8 + ["", "huge", ":", "\0"])
  words = [f"--config=configs/{rng.choice(_FILES)}.py:{variant}"]
  for _ in range(rng.randrange(4)):
    name = rng.choice(names)
    if rng.random() < 0.3:  # with a slip of the finger
      place = rng.randrange(len(name))
      name = name[:place] + rng.choice("abz._[0]-") + name[place + 1 :]
    dashes = rng.choice(["--"] * 8 + ["-", "", "---"])
    joint = rng.choice(["="] * 8 + ["", " ", "=="])
    words.append(f"{dashes}config.{name}{joint}{rng.choice(_VALUES)}")
  rng.shuffle(words)
  return words


def parsed(folder: pathlib.Path, times: int):
  rng, names = random.Random(0), _fields()
  sound, refused, bad = 0, 0, []
  for _ in range(times):
    words = command_line(rng, names)
    try:
      parse_config(["x", *words], new_flags(), "")
      sound += 1
    except ConfigError as error:
      refused += 1
      bad += [words] if "\n" in str(error) else []
    except BaseException as error:
      bad.append([type(error).__name__, *words])
  for words in bad[:5]:
    print("  not a line:", words)
  yield Finding(
    f"{times:,} fuzzed command lines",
    "a config or one clear line, never a traceback",
    f"{sound:,} configs, {refused:,} lines, {len(bad)} others",
    bool(not bad and sound and refused),
  )
