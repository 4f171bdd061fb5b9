"""Runs a paper's experiments and writes the results beside the paper's numbers.

  python -m scripts.reproduce --paper=hochreiter_1997 --list
  python -m scripts.reproduce --paper=hochreiter_1997 --row=6a,4-100
  python -m scripts.reproduce --paper=bai_2018 --data=FOLDER

A row is one run of experiments.train or several, in WORKDIR/PAPER/RUN; the same
command again goes on with a run that was stopped, and leaves alone one that is
recorded. --partial trains nothing and records how far runs have got. A finished
run is scored on the test split, trial by trial, and its records are appended to
WORKDIR/results/runs.jsonl, where the run stands as runs/PAPER/RUN and a folder
of data as PATH. PAPER.md and PAPER.png, beside it, are made from that file
alone. The end shows the rows beside those that the repository has, in
experiments/results; --record appends to these instead.
"""

import os
import pathlib
import shlex
import time

from absl import flags

from experiments.command_line import (
  EXIT_ERROR,
  make_folder,
  new_flags,
  parse_flags,
  run_command,
)
from lstm_jax.errors import ConfigError, RunError, suggest
from lstm_jax.files import existing_path
from lstm_jax.run import lock
from scripts import reproduce_records as records
from scripts.papers.base import Row, Run, all_rows, load_paper, runs
from scripts.reproduce_commands import (
  Stopped,
  score_command,
  search,
  train_command,
)
from scripts.reproduce_page import (
  COMMITTED,
  beside,
  is_committed,
  verdict,
  write_page,
)


def reproduce(
  name: str,
  paper,
  rows: list[Row],
  workdir: pathlib.Path,
  results: pathlib.Path,
  *,
  data: str = "",
  again: bool = False,
  partial: bool = False,
) -> int:
  """Makes the runs of the rows, one after the other, and records them.

  partial: makes none, and records what those that are not finished have
    reached. A run that fails is reported and the next one is made.

  Returns:
    The exit code: 0, or that of a run which was stopped or has failed.

  Raises:
    ConfigError: the rows read a file that is not in the folder `data`.
  """
  if not partial:
    check_data_given(rows, data)
  todo = [
    (row, run) for row in rows for run in runs(row) if not (partial and run.of)
  ]
  code = 0
  for number, (row, run) in enumerate(todo, 1):  # it grows
    place = f"[{number}/{len(todo)}] {run.name}"
    path = workdir / (run.of or f"{name}/{run.name}")
    try:
      if again and path.exists() and not run.of:
        print(f"{place}: the old run is now {_move_away(path)}")
      _reproduce_run(
        *(name, paper, row, run, path, results, place, data, partial),
        again=again and bool(run.of),
      )
    except RunError as error:
      print(f"{place}: {error}", flush=True)
      code = EXIT_ERROR
    except Stopped as stopped:
      print(f"{place}: stopped; the same command goes on there", flush=True)
      return stopped.args[0]
    if run == runs(row)[-1]:
      more = records.following(records.read_results(results), name, row)
      todo += [(row, run) for run in more]
  for row in rows:
    found = records.latest(records.read_results(results), name, row)
    controls = getattr(paper, "CONTROLS", ())
    word = "control" if row in controls else verdict(paper, row, *found)
    print(f"{row.name}: {word}")
  print(write_page(name, paper, results))
  if not is_committed(results):
    print(beside(name, paper, rows, results, COMMITTED))
  return code


def check_data_given(rows: list[Row], data: str):
  """Raises ConfigError where a row's file is not in the folder."""
  for row in rows:
    if row.data and existing_path(str(pathlib.Path(data, row.data))) is None:
      what = f"{data} has no {row.data}" if data else "it is missing"
      raise ConfigError(
        f"--data: {what}; row {row.name} reads {row.data}, and"
        " scripts/papers says where it is from; give the folder that has it"
      )


def _reproduce_run(
  name, paper, row: Row, run: Run, path, results, place, data, partial, again
):
  """Trains, scores and records one run."""
  known = records.read_results(results)
  if not again and records.is_recorded(known, name, row, run, path):
    print(f"{place}: recorded already", flush=True)
    return
  config = f"{paper.CONFIG}:{run.variant}" if run.variant else paper.CONFIG

  def arguments(workdir, data):
    found = [f"--config={config}", f"--workdir={workdir}", *run.overrides]
    if row.data:
      found.append(f"--config.{row.field}={pathlib.Path(data, row.data)}")
    return found

  def command(*place):
    return shlex.join(["python", "-m", "experiments.train", *arguments(*place)])

  scores, seconds = {}, {}
  if partial:
    print(f"{place}: recording what it has reached", flush=True)
  else:
    print(f"{place}: {command(path, data)}", flush=True)
    train_command(*arguments(path, data))
    start = time.monotonic()
    if run.search:
      search(place, path, run.search, again)
    for test, words in (run.tests or row.tests).items():
      print(f"{place}: scoring, {test}", flush=True)
      scores[test] = score_command(path, *shlex.split(words))
    if run.of:  # training is another row's
      seconds = {"seconds": round(time.monotonic() - start)}
  made = records.describe(
    name,
    paper.CONFIG,
    row,
    run,
    path,
    scores,
    command(f"runs/{run.of or f'{name}/{run.name}'}", "PATH"),
    paper.measure(path) if hasattr(paper, "measure") else (),
  )
  records.append_results(results, [record | seconds for record in made])
  write_page(name, paper, results)


def _move_away(path: pathlib.Path) -> pathlib.Path:
  """Renames a run directory that no process trains in."""
  number = 1
  while (new := path.with_name(f"{path.name}.old-{number}")).exists():
    number += 1
  with lock.claim(path):
    os.rename(path, new)
  return new


def choose_rows(paper, names: list[str]) -> list[Row]:
  """The rows of the names; "all" are the paper's, "controls" the controls.

  Raises:
    ConfigError: there is no such row.
  """
  known = {row.name: row for row in all_rows(paper)}
  groups = {"all": paper.ROWS, "controls": getattr(paper, "CONTROLS", ())}
  chosen = {}
  for name in names:
    if name not in known and name not in groups:
      wanted = suggest(name, [*groups, *known])
      raise ConfigError(f'--row: no "{name}"{wanted}')
    for row in groups.get(name) or [known[name]]:
      chosen[row.name] = row
  return list(chosen.values())


def list_rows(name: str, paper, rows: list[Row], results: pathlib.Path):
  known = records.read_results(results)
  committed = records.read_results(COMMITTED)
  width = max(len(row.name) for row in rows)
  for row in rows:
    trials, missing = records.latest(known, name, row)
    count = len(runs(row))
    state = f"{count - len(missing)} of {count} runs recorded"
    if not is_committed(results):
      _, lacking = records.latest(committed, name, row)
      state += f", {count - len(lacking)} committed"
    print(f"{row.name:{width}}  {state}  {row.description}")


def main(argv: list[str]) -> int:
  values = new_flags()
  for flag, default, text in (
    ("paper", None, "a module of scripts/papers"),
    ("workdir", "runs", "folder of the run directories"),
    ("results", "", "folder of runs.jsonl and the pages; WORKDIR/results"),
    ("data", "", "folder of the files that some papers' tasks read"),
  ):
    flags.DEFINE_string(flag, default, text, flag_values=values)
  flags.DEFINE_list(
    "row", ["all"], "rows of the paper, all, or controls", flag_values=values
  )
  for flag, text in (
    ("list", "only list the rows"),
    ("page", "only write the page again"),
    ("partial", "record how far runs have got; train nothing"),
    ("record", f"append to {COMMITTED}, which the repository has"),
    ("again", "make the runs again from the start, beside the old ones"),
  ):
    flags.DEFINE_bool(flag, False, text, flag_values=values)
  parse_flags(values, argv, __doc__, required=("paper",))
  paper = load_paper(values.paper)
  rows = choose_rows(paper, values.row)
  workdir = pathlib.Path(values.workdir).expanduser()
  results = workdir / "results"
  if values.record and values.results:
    raise ConfigError(f"--record writes to {COMMITTED}; leave --results out")
  if values.record:
    results = COMMITTED
  elif values.results:
    results = pathlib.Path(values.results).expanduser()
  if values.list:
    list_rows(values.paper, paper, rows, results)
    return 0
  if values.page:
    print(write_page(values.paper, paper, results))
    return 0
  make_folder(values, "workdir")
  if values.results:
    make_folder(values, "results")
  return reproduce(
    values.paper,
    paper,
    rows,
    workdir,
    results,
    data=values.data,
    again=values.again,
    partial=values.partial,
  )


if __name__ == "__main__":
  run_command(main)
