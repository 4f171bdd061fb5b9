"""runs.jsonl, the results of all papers: one flat JSON object a trial.

It is only ever appended to. A run that was made again has new records below the
old ones, and `latest` takes those.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import platform
import re
import time
from collections.abc import Sequence
from typing import Any

from lstm_jax.errors import RunError
from lstm_jax.run.directory import read_record
from lstm_jax.run.writers import read_metrics
from scripts.machine import machine
from scripts.papers.base import Row, Run, Trial, runs

NAME = "runs.jsonl"
STAMP = "%Y-%m-%d %H:%M:%S"  # of a line of train.log


def read_results(folder: pathlib.Path) -> list[Trial]:
  """All records; a line that a kill cut is left out."""
  try:
    lines = (folder / NAME).read_text("utf-8", errors="replace").splitlines()
  except FileNotFoundError:
    return []
  records = []
  for line in lines:
    with contextlib.suppress(ValueError):
      record = json.loads(line)
      if isinstance(record, dict):
        records.append(record)
  return records


def append_results(folder: pathlib.Path, records: list[Trial]):
  """Writes records to the disk before it returns, all in one piece."""
  folder.mkdir(parents=True, exist_ok=True)
  text = "".join(json.dumps(record) + "\n" for record in records)
  with (folder / NAME).open("ab+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    if file.tell():
      file.seek(-1, os.SEEK_END)
      if file.read(1) != b"\n":  # a kill cut the last line
        text = "\n" + text
    file.write(text.encode())
    file.flush()
    os.fsync(file.fileno())


def latest(
  results: list[Trial], paper: str, row: Row
) -> tuple[list[Trial], list[Run]]:
  """The trials of a row, of each of its runs the last that is recorded.

  Returns:
    The trials, and the runs that have no complete record.
  """
  trials, missing = _latest(results, paper, row, runs(row))
  if more := following(results, paper, row):
    found, missing = _latest(results, paper, row, more)
    trials += found
  return trials, missing


def following(results: list[Trial], paper: str, row: Row) -> list[Run]:
  """The runs of `row.then`, once the others are recorded."""
  trials, missing = _latest(results, paper, row, runs(row))
  return row.then(trials) if row.then and not missing else []


def _latest(results, paper, row, wanted):
  trials, missing = [], []
  for run in wanted:
    attempts = {}  # by start, in the order of the file
    for record in results:
      if _key(record) == (paper, row.name, run.name):
        attempt = attempts.pop(record["started"], {})
        attempts[record["started"]] = attempt | {record["trial"]: record}
    whole = [
      list(attempt.values())
      for attempt in attempts.values()
      if len(attempt) == next(iter(attempt.values()))["trials"]
    ]
    if whole:
      trials += whole[-1]
    else:
      missing.append(run)
  return trials, missing


def is_recorded(
  results: list[Trial], paper: str, row: Row, run: Run, workdir: pathlib.Path
) -> bool:
  """Whether the run in this very directory has all its records."""
  starts = read_record(workdir)["starts"]
  if not starts:
    return False
  mine = [
    r
    for r in results
    if r.get("started") == starts[0]["time"] and "updates_done" not in r
  ]
  return not _latest(mine, paper, row, [run])[1]


def _key(record):
  return record.get("paper"), record.get("row"), record.get("run")


def describe(
  paper: str,
  config: str,
  row: Row,
  run: Run,
  workdir: pathlib.Path,
  scores: dict[str, list[dict[str, Any]]],
  command: str,
  measured: Sequence[dict[str, Any]] = (),
) -> list[Trial]:
  """The records of a run, one a trial.

  scores: what experiments.evaluate --trial=all --json prints, of each test;
    none of a run that is not finished, whose records say `updates_done`.
  measured: more numbers of each trial.

  Raises:
    RunError: the run directory lacks what they need.
  """
  step = _validated_step(workdir)
  if scores:
    step = next(iter(scores.values()))[0]["step"]
  elif not step:
    raise RunError(f"{workdir}: nothing has been validated yet")
  trials = _read_trials(workdir)
  for lines in scores.values():
    if len(trials) != len(lines):
      raise RunError(
        f"{workdir}: {len(trials)} trials and {len(lines)} lines of scores"
      )
  record = read_record(workdir)
  last = max(trial.get("updates", step) for trial in trials)
  # A start at the last step trained nothing; for scores alone it is the one.
  starts = [s for s in record["starts"] if s["from_step"] < last]
  starts = record["starts"][-1:] if run.of else starts or record["starts"][:1]
  common = {
    "command": command,
    "started": record["starts"][0]["time"],
    "commit": " ".join(dict.fromkeys(str(s["commit"]) for s in starts)),
    "uncommitted_changes": any(s["uncommitted_changes"] for s in starts),
    "seconds": training_seconds(workdir),
    "hardware": _hardware(starts[-1]),
    "jax": starts[-1]["versions"]["jax"],
    "parameters": record["parameters"],
    "date": time.strftime("%Y-%m-%d", time.gmtime()),
  }
  records = []
  for number, trial in enumerate(trials):
    made = {
      "paper": paper,
      "row": row.name,
      "run": run.name,
      "config": f"{config}:{run.variant}" if run.variant else config,
      "trials": len(trials),
      **{k: v for k, v in trial.items() if k != "met"},
    }
    if "met" in trial:
      made |= {f"met_{i}": step for i, step in enumerate(trial["met"])}
      made["succeeded"] = trial["met"][-1] is not None
    made["checkpoint" if scores else "updates_done"] = step
    for test, lines in scores.items():
      score = lines[number]
      for name, value in score.items():
        if name not in ("trial", "step"):
          made[f"{test}/{name}"] = value
      if score.get("wrong_sequences") is not None:
        wrong = score["wrong_sequences"] * score["sequences"]
        made[f"{test}/wrong"] = round(wrong)
    more = measured[number] if measured else {}
    records.append(made | more | common)
  return records


def _validated_step(workdir) -> int:
  """The step of the last validation; 0 before the first."""
  return max(
    (
      line["step"]
      for line in read_metrics(workdir)
      if any(name.startswith("valid/") for name in line)
    ),
    default=0,
  )


def _read_trials(workdir) -> list[dict[str, Any]]:
  """trials.json, or what takes its place in a run of one trial."""
  try:
    return json.loads((workdir / "trials.json").read_text("utf-8"))
  except FileNotFoundError:
    pass
  settings = read_settings(workdir)
  if settings["stop"]["name"] != "never":
    raise RunError(
      f"{workdir}: no trials.json, which has the counts of the stopping rule"
    )
  return [{"trial": 0, "seed": settings["seed"]}]


def read_settings(workdir: pathlib.Path) -> dict[str, Any]:
  """`train` of a run's config."""
  return json.loads((workdir / "config.json").read_text("utf-8"))["train"]


def _hardware(start) -> str:
  if start["platform"] == "cpu" and start["host"] == platform.node():
    here = machine()
    return f"{here['cpu']}, {here['cores']} cores"
  return f"{start['device']}, {start['cpu_cores']} CPU cores"


def training_seconds(workdir: pathlib.Path) -> int | None:
  """Wall time of training, from train.log: from the first line of each start to
  its last one, summed over the starts; None without such a log."""
  try:
    log = (workdir / "train.log").read_text("utf-8", errors="replace")
  except OSError:
    return None
  total, first, last, finished = 0.0, None, None, False
  for line in log.splitlines():
    if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", line):
      continue  # of a text that the run printed
    now, text = time.mktime(time.strptime(line[:19], STAMP)), line[21:]
    if re.search(r", (a new run|going on from step \d+)(;|$)", text):
      if first is not None:
        total += last - first
      first, finished = now, False
    if not finished:
      last = now
    finished |= text.startswith("parameters sha256")
  return None if first is None else round(total + last - first)
