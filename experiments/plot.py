"""Draws the learning curve of a run, or sweeps and several runs together.

  python -m experiments.plot --workdir=runs/char_lm
  python -m experiments.plot --workdir=runs/4 --metric=wrong_sequences
  python -m experiments.plot runs/adding_rates --format=pdf --width=column
  python -m experiments.plot runs/one runs/two --output=runs/compared

Several runs give a summary, hyper_parameters.png and learning_curves.png, in
the directory if it is the only one, or else in --output. --width is that of a
paper's column or page. --metric=NAME draws another of the scores in
metrics.jsonl, of validation where it is one, and --x=sequences or --x=seconds
draws it against these.
"""

import pathlib

from experiments.command_line import new_flags, parse_words, run_command
from experiments.curves import (
  XS,
  Choice,
  choose_metric,
  draw_run,
  metric_words,
  x_label,
)
from experiments.pictures import FORMATS, picture, shorten
from experiments.sweep_plots import plot_results
from experiments.sweep_results import find_results
from experiments.sweep_summary import summarise_results
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run.directory import read_config
from lstm_jax.run.runs import is_run, read_run

NAME = "learning_curve"


def plot_run(
  workdir: str | pathlib.Path,
  choice: Choice = Choice(),
  folder: pathlib.Path | None = None,
) -> pathlib.Path:
  """Training and validation score of a run, of each of its trials where it has
  several; returns the picture, which is in the run directory unless a folder is
  given.

  Raises:
    ConfigError: no score of that name.
    RunError: the run has no metrics yet, or cannot be read.
  """
  workdir = pathlib.Path(workdir).expanduser()
  read_config(workdir)
  (run,), trials = read_run(workdir), read_run(workdir, trials=True)
  for each in (run, *trials):
    if each["state"] == "unreadable":
      raise RunError(each["reason"])
  metric = choose_metric([run], choice.metric)
  path = (folder or workdir) / f"{NAME}.{choice.format}"
  height = 2.2 if choice.width == "column" else 3.2
  with picture(path, choice.width, height) as (_, grid):
    axes = grid[0, 0]
    draw_run(axes, run, trials, metric, choice.x)
    axes.set_xlabel(x_label(run, choice.x))
    axes.set_ylabel(metric_words(metric))
    axes.set_title(shorten(workdir.absolute().name))
    axes.grid()
  return path


def plot_together(
  directories: list[pathlib.Path], output: pathlib.Path, choice: Choice
):
  """Draws several runs, and prints the summary and the files.

  Raises:
    ConfigError: no score of that name.
    RunError: there is no run in a directory, nothing to plot yet, or the runs
      are of different tasks.
  """
  results = find_results(directories)
  paths = plot_results(results, output, choice)
  if not paths:
    raise RunError(f"{directories[0]}: no metrics to plot yet")
  print(summarise_results(results))
  for path in paths:
    print(path)


def main(argv: list[str]):
  values = new_flags(
    workdir=(None, "run directory"),
    output=(None, "folder for pictures"),
    metric=("", "another score than the one watched"),
    format=("png", "of the pictures", FORMATS),
    width=("page", "of a paper, 6.9 or 3.3 inches", ("page", "column")),
    x=("step", "what the curves are drawn against", XS),
  )
  given = parse_words(values, argv, __doc__)
  if values.workdir and given:
    raise ConfigError(f'unexpected word "{given[0]}" beside --workdir')
  if not values.workdir and not given:
    raise ConfigError("--workdir is missing; or give directories of runs")
  choice = Choice(values.format, values.width, values.metric, values.x)
  directories = [pathlib.Path(w).expanduser() for w in given]
  if len(given) == 1 and is_run(given[0]):
    values.workdir = given[0]
  output = pathlib.Path(values.output).expanduser() if values.output else None
  if output and output.exists() and not output.is_dir():
    raise ConfigError(f"--output={output}: it is a file; give a folder")
  if values.workdir:
    if output:
      output.mkdir(parents=True, exist_ok=True)
    print(plot_run(values.workdir, choice, output))
    return
  if len(given) > 1 and not output:
    raise ConfigError("--output is missing; give a folder for the pictures")
  plot_together(directories, output or directories[0], choice)


if __name__ == "__main__":
  run_command(main)
