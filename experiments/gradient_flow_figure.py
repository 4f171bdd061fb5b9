"""The figure of experiments/gradient_flow.py."""

import pathlib

import matplotlib
import numpy as np

from experiments.pictures import (
  BLACK,
  GREY,
  LINES,
  ORANGE,
  PURPLE,
  VERMILLION,
  picture,
)
from lstm_jax.evaluation.gradient_flow import VANISHED

PARTS = ("h", "c")


def draw_gradient_flow(rows: list[dict], path: pathlib.Path):
  """A column of panels for each step, a row for each part of the state."""
  names = list(dict.fromkeys(row["network"] for row in rows))
  steps = list(dict.fromkeys(row["updates"] for row in rows))
  styles = _styles(names)
  grid = {
    "nrows": len(PARTS), "ncols": len(steps), "sharex": True, "sharey": True,
  }  # fmt: skip
  with picture(path, height=5.0, **grid) as (_, panels):
    for part, line in zip(PARTS, panels, strict=True):
      line[0].set_ylabel(f"log10 |dL/d{part}(t)|, relative")
      for step, axes in zip(steps, line, strict=True):
        axes.set_title(
          f"d{part}, {step} updates" if step else f"d{part}, initial"
        )
        label = "where it has vanished"
        axes.axhline(VANISHED, color=GREY, lw=0.8, ls=":", label=label)
        axes.set_ylim(-12, 2)
        axes.grid()
    for axes in panels[-1]:
      axes.set_xlabel("lag T - t")
    for row in rows:
      if row["slope"] is None:
        continue
      axes = panels[PARTS.index(row["part"])][steps.index(row["updates"])]
      style, lags = styles[row["network"]], np.arange(len(row["median"]))
      label = f"{row['network']}: median and quartiles"
      axes.plot(lags, row["median"], label=label, **style)
      low, high = row["lower_quartile"], row["upper_quartile"]
      axes.fill_between(lags, low, high, color=style["color"], alpha=0.1, lw=0)


def _styles(names) -> dict[str, dict]:
  """Shades for forget biases, which are in order, and colours for others."""
  biases = [name for name in names if "b_f" in name]
  others = [name for name in names if name not in biases]
  shades = matplotlib.colormaps["viridis"](np.linspace(0.1, 0.85, len(biases)))
  colours = dict(zip(biases, shades, strict=True))
  known = (VERMILLION, ORANGE, PURPLE, BLACK)
  colours |= {name: known[k % len(known)] for k, name in enumerate(others)}
  return {
    name: {"color": colours[name], "ls": LINES[k % len(LINES)]}
    for k, name in enumerate(names)
  }
