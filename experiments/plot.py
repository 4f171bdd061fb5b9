"""Draws the learning curve of a run, or sweeps and several runs together.

  python -m experiments.plot --workdir=runs/char_lm
  python -m experiments.plot runs/adding_rates
  python -m experiments.plot runs/one runs/two --output=runs/compared

Several runs give hyper_parameters.png and learning_curves.png, in the directory
if it is the only one, or else in --output.
"""

import pathlib

import numpy as np
from absl import flags

from experiments.command_line import (
  make_folder,
  new_flags,
  parse_words,
  run_command,
)
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run_directory import read_config
from lstm_jax.training.metric_writer import read_metrics

NAME = "learning_curve.png"


def plot_run(workdir: str | pathlib.Path) -> pathlib.Path:
  """Training and validation score against the number of updates, as a PNG.

  Raises:
    RunError: the run has no metrics yet.
  """
  # Imported late: it takes a second, and complains where HOME is read-only.
  import matplotlib

  matplotlib.use("Agg")
  import matplotlib.pyplot as plt

  workdir = pathlib.Path(workdir).expanduser()
  rows = [row for row in read_metrics(workdir) if "trial" not in row]
  names = [name for row in rows for name in row if name.startswith("train/")]
  if not names:
    raise RunError(f"{workdir}: no metrics to plot yet")
  score = names[0].removeprefix("train/")
  curves = {}
  for split in ("train", "valid"):
    name = f"{split}/{score}"
    points = [(r["step"], r[name]) for r in rows if r.get(name) is not None]
    if points:
      curves[split] = np.array(points)
  figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
  if "train" in curves:
    axes.plot(*curves["train"].T, color="#9ab8d8", lw=1, label="training")
  if "valid" in curves:
    best = curves["valid"][:, 1].min()
    axes.plot(
      *curves["valid"].T,
      "o-",
      color="#c44e22",
      ms=4,
      label=f"validation, best {best:.3f}",
    )
    # The first steps would squeeze the rest of the curve.
    top = curves["valid"][:, 1].max()
    low = min(points[:, 1].min() for points in curves.values())
    axes.set_ylim(low - 0.05 * (top - low + 0.5), top + 0.6 * (top - low + 0.5))
  axes.set_xlabel("updates")
  axes.set_ylabel(score.replace("_per_", " per "))
  axes.set_title(workdir.absolute().name)
  axes.grid(alpha=0.25)
  axes.spines[["top", "right"]].set_visible(False)
  axes.legend(frameon=False)
  path = workdir / NAME
  figure.savefig(path, dpi=130)
  plt.close(figure)
  return path


def plot_together(directories: list[pathlib.Path], output: pathlib.Path):
  """Draws several runs, and prints the files and the summary.

  Raises:
    RunError: there is no run in a directory, or nothing to plot yet.
  """
  from experiments.sweep_plots import plot_results
  from experiments.sweep_summary import find_results, summarise

  results = find_results(directories)
  paths = plot_results(results, output)
  if not paths:
    raise RunError(f"{directories[0]}: no metrics to plot yet")
  print(summarise(results))
  for path in paths:
    print(path)


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_string("workdir", None, "run directory", flag_values=values)
  flags.DEFINE_string("output", None, "folder for pictures", flag_values=values)
  words = parse_words(values, argv, __doc__)
  if values.workdir and words:
    raise ConfigError(f'unexpected word "{words[0]}" beside --workdir')
  if not values.workdir and not words:
    raise ConfigError("--workdir is missing; or give directories of runs")
  directories = [pathlib.Path(w).expanduser() for w in words]
  if len(words) == 1 and (directories[0] / "config.json").exists():
    values.workdir = words[0]
  if values.workdir:
    if values.output:
      raise ConfigError("--output: is for several runs")
    read_config(values.workdir)
    print(plot_run(values.workdir))
    return
  if len(words) > 1 and not values.output:
    raise ConfigError("--output is missing; give a folder for the pictures")
  output = directories[0]
  if values.output:
    output = make_folder(values, "output")
  plot_together(directories, output)


if __name__ == "__main__":
  run_command(main)
