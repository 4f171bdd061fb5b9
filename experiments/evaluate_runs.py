"""A table of the scores of several runs, or of a whole sweep.

A run that cannot be scored is a line that says why, and costs no other.
"""

import pathlib
from collections.abc import Callable

import jax
from absl import flags

from experiments.command_line import EXIT_ERROR
from experiments.evaluation_modes import check_mode_flags
from experiments.plain_text import align, significant, strict_json, write_csv
from experiments.progress import status_line
from experiments.sweep_results import INDEX, Result, find_results, text
from lstm_jax.errors import ConfigError, RunError, UserError, out_of_memory
from lstm_jax.parallel import runtime
from lstm_jax.run.runs import find_runs, is_run

Scores = dict[str, float | int]
Row = tuple[Result, Scores, str]  # scores, or why there are none
ScoreRun = Callable[[str], list[Scores]]  # of a run directory, a record a trial


def holds_runs(workdir: str) -> bool:
  """A sweep, or a folder of runs, that is not itself a run."""
  if is_run(workdir):
    return False
  try:
    return bool(find_runs(workdir))
  except RunError:
    return (pathlib.Path(workdir) / INDEX).is_file()


def evaluate_runs(
  values: flags.FlagValues, directories: list[str], score: ScoreRun
) -> int:
  """Prints the table and returns the exit code.

  Raises:
    As `score_all`; ConfigError for flags that are for one run.
  """
  for name in ("score", "tune", "predictions"):
    if values[name].present:
      raise ConfigError(f"--{name}: is for one run, given by --workdir")
  if values.mode != "static":
    raise ConfigError(f"--mode={values.mode}: is for one run, by --workdir")
  if len(values.streams) > 1:
    raise ConfigError("--streams: of several runs one number at a time")
  if values.csv and not pathlib.Path(values.csv).expanduser().parent.is_dir():
    raise ConfigError(f"--csv={values.csv}: there is no such folder")
  check_mode_flags(values, 0)
  runtime.setup(values.platform or "")
  rows = score_all(directories, score, values.csv or "")
  if values.json:
    print_json(rows)
  else:
    print(f"{values.split} split, checkpoint {values.checkpoint}")
    print_table(rows)
  return EXIT_ERROR if any(error for *_, error in rows) else 0


def score_all(
  directories: list[str], score: ScoreRun, csv_file: str = ""
) -> list[Row]:
  """Scores every run of directories, trial by trial.

  Args:
    score: scores of a run directory's trials, as
      `experiments.evaluate.evaluate_trials`.
    csv_file: written anew after each run, so that a stop loses nothing.

  Raises:
    RunError: there is no run in a directory, or the file cannot be written.
  """
  results = find_results([pathlib.Path(d).expanduser() for d in directories])
  groups: dict[str, list[Result]] = {}
  for result in results:
    where = result.run["workdir"] if result.run else result.name
    groups.setdefault(where, []).append(result)
  rows: list[Row] = []
  for number, (workdir, group) in enumerate(groups.items(), 1):
    status_line(f"[{number}/{len(groups)}] {workdir}")
    rows += _score(workdir, group, score)
    if csv_file:
      _write_scores_csv(pathlib.Path(csv_file).expanduser(), rows)
  status_line("")
  return rows


def _score(workdir, group, score) -> list[Row]:
  error, records = "", {}
  first = group[0]
  if not first.run or first.run["state"] == "unreadable":
    error = first.reason or "it was not started"
  else:
    try:
      records = {record["trial"]: record for record in score(workdir)}
    except (UserError, OSError) as failed:
      error = str(failed)
    except jax.errors.JaxRuntimeError as failed:
      if not (error := out_of_memory(failed)):
        raise
  if error:
    return [(r, {}, error) for r in (group if first.designed else group[:1])]
  return [
    (r, {k: v for k, v in records[trial].items() if k != "trial"}, "")
    for r in group
    if (trial := r.run["trial"] or 0) in records
  ]


def print_table(rows: list[Row]):
  """A line a run or trial: its name and scores, or what is wrong."""
  names = list(dict.fromkeys(n for _, record, _ in rows for n in record))
  states = any(result.state != "finished" for result, *_ in rows)
  table = [["run", *["state"] * states, *(n.replace("_", " ") for n in names)]]
  for result, record, error in rows:
    start = [_name(result, error), *[result.state] * states]
    cells = [shown(record[n]) if n in record else "-" for n in names]
    table.append(start + ([""] * len(names) if error else cells))
  errors = ["", *(f"  error: {error}" * bool(error) for *_, error in rows)]
  for line, error in zip(align(table), errors, strict=True):
    print(line + error)


def print_json(rows: list[Row]):
  """An object a line."""
  for result, record, error in rows:
    trial = result.run.get("trial")
    where = {"run": result.name, "trial": trial, "state": result.state}
    print(strict_json(where | record | ({"error": error} if error else {})))


def _name(result, error: str) -> str:
  trial = result.run.get("trial")
  if trial is None or result.designed or error:
    return result.name
  return f"{result.name} trial {trial}"


def _write_scores_csv(path, rows):
  """The scores at full precision, and a column for each field that differs."""
  scores = list(dict.fromkeys(n for _, record, _ in rows for n in record))
  fields = list(dict.fromkeys(n for result, *_ in rows for n in result.point))
  table = [["run", "workdir", "trial", "state", *fields, *scores, "error"]]
  for result, record, error in rows:
    point = [text(result.point[n]) if n in result.point else "" for n in fields]
    found = [record.get(n, "") for n in scores]
    run = result.run  # the CSV has nothing where the trial is None
    where = [result.name, run.get("workdir", ""), run.get("trial")]
    table.append([*where, result.state, *point, *found, error])
  try:
    write_csv(path, table)
  except OSError as error:
    raise RunError(
      f"--csv={path}: cannot be written: {error.strerror}"
    ) from None


def shown(value: float | int | str) -> str:
  """With four decimals, or those that say something."""
  if isinstance(value, float):
    small = 0 < abs(value) < 0.001
    return significant(value) if small else f"{value:.4f}"
  return f"{value:,}" if isinstance(value, int) else value
