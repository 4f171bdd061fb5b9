"""The figure of experiments/gradient_flow.py."""

import pathlib

import numpy as np

from lstm_jax.gradient_flow import VANISHED

PARTS = ("h", "c")


def draw(rows: list[dict], path: pathlib.Path):
  """A column of panels for each step, a row for each part of the state."""
  # Imported late: it takes a second, and complains where HOME is read-only.
  import matplotlib

  matplotlib.use("Agg")
  import matplotlib.pyplot as plt

  names = list(dict.fromkeys(row["network"] for row in rows))
  steps = list(dict.fromkeys(row["updates"] for row in rows))
  biases = [name for name in names if "b_f" in name]
  others = [name for name in names if name not in biases]
  shades = plt.get_cmap("viridis")(np.linspace(0.1, 0.9, len(biases)))
  colors = dict(zip(biases, shades, strict=True))
  colors |= dict(
    zip(others, ("#c44e22", "#e8a33d", "#d64fa0", "black"), strict=False)
  )
  figure, panels = plt.subplots(
    len(PARTS),
    len(steps),
    figsize=(2 + 3.6 * len(steps), 6.5),
    sharex=True,
    sharey=True,
    squeeze=False,
    layout="constrained",
  )
  for row in rows:
    if row["slope"] is None:
      continue
    axes = panels[PARTS.index(row["part"])][steps.index(row["updates"])]
    color = colors[row["network"]]
    lags = np.arange(len(row["median"]))
    axes.plot(lags, row["median"], color=color, label=row["network"])
    axes.fill_between(
      lags, row["lower_quartile"], row["upper_quartile"], color=color, alpha=0.1
    )
  for part, line in zip(PARTS, panels, strict=True):
    line[0].set_ylabel(f"log10 |dL$_T$/d{part}$_t$|, relative")
    for step, axes in zip(steps, line, strict=True):
      axes.set_title(
        f"d{part}, {step} updates" if step else f"d{part}, initial"
      )
      axes.axhline(VANISHED, color="gray", lw=0.8, ls=":")
      axes.set_ylim(-12, 2)
      axes.grid(alpha=0.25)
      axes.spines[["top", "right"]].set_visible(False)
  for axes in panels[-1]:
    axes.set_xlabel("lag T - t")
  handles = {}
  for axes in panels.flat:
    lines, labels = axes.get_legend_handles_labels()
    handles |= dict(zip(labels, lines, strict=True))
  figure.legend(
    [handles[name] for name in names if name in handles],
    [name for name in names if name in handles],
    loc="outside right center",
    frameon=False,
  )
  figure.savefig(path, dpi=130)
  plt.close(figure)
