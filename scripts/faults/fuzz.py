"""Command lines that nobody would type."""

import pathlib
import random
import subprocess
import sys

from experiments.command_line import new_flags, parse_config
from lstm_jax.config import fields
from lstm_jax.errors import ConfigError
from scripts.faults.base import REPOSITORY, Fault, Finding, error_line

_VALUES = (
  *("", "0", "-1", "1", "2", "1e400", "nan", "inf", "-0.0", "1.5", "True"),
  *("None", "[]", "(1,", "1,2,3", "{}", "'", '"', "\\", "\0", "\n", "--", "="),
  *(
    "ü",
    "𝟙",
    "a" * 5000,
    "9" * 400,
    "lstm",
    "adam",
    "../..",
    "/dev/null",
    "~x",
  ),
  *("lambda: 0", "__import__('os')", "${HOME}", "%s", "[1, [2]]", "1_000"),
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


def parsed(folder: pathlib.Path, times: int) -> list[Finding]:
  rng, names = random.Random(0), _fields()
  sound = refused = 0
  bad = []
  for _ in range(times):
    words = command_line(rng, names)
    try:
      parse_config(["x", *words], new_flags(), "")
      sound += 1
    except ConfigError as error:
      if "\n" in str(error):
        bad.append(words)
      refused += 1
    except BaseException as error:
      bad.append([type(error).__name__, *words])
  for words in bad[:5]:
    print("  not a line:", words)
  return [
    Finding(
      f"{times:,} fuzzed command lines",
      "a config or one clear line, never a traceback",
      f"{sound:,} configs, {refused:,} lines, {len(bad)} others",
      not bad and sound and refused,
    )
  ]


def processes(folder: pathlib.Path, times: int) -> list[Finding]:
  rng, names = random.Random(1), _fields()
  lines = runs = 0
  bad = []
  while lines + runs + len(bad) < times:
    words = [w for w in command_line(rng, names) if "\0" not in w]
    run = folder / f"run{lines + runs}"
    command = [sys.executable, "-m", "experiments.train", *words]
    command += [f"--workdir={run}", "--config.train.steps=2"]
    try:
      done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30
      )
    except subprocess.TimeoutExpired:
      runs += 1  # it trains a large model
      continue
    printed = done.stdout + done.stderr
    if done.returncode == 0:
      runs += 1
    elif done.returncode == 2 and error_line(printed).startswith("error: "):
      lines += 1
    else:
      bad.append(words)
      print("  neither:", words, printed[-300:], flush=True)
  return [
    Finding(
      f"{times} fuzzed command lines as processes",
      "a run or one clear line, never a traceback",
      f"{runs} runs, {lines} lines, {len(bad)} others",
      not bad,
    )
  ]


FAULTS = {"fuzz": Fault(parsed, 10_000), "processes": Fault(processes, 100)}
