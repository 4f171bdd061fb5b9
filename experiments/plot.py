"""Draws the learning curve of a run from its metrics.jsonl.

python -m experiments.plot --workdir=runs/char_lm
"""

import pathlib

import numpy as np
from absl import flags

from experiments.command_line import new_flags, parse_flags, run_command
from lstm_jax.errors import RunError
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


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_string("workdir", None, "run directory", flag_values=values)
  parse_flags(values, argv, __doc__, required=("workdir",))
  read_config(values.workdir)
  print(plot_run(values.workdir))


if __name__ == "__main__":
  run_command(main)
