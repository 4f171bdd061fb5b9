"""The look of every picture: sizes of a paper's page, colours, marks, files.

What draws only now and then imports this late: matplotlib takes a second, and
complains where HOME is read-only.
"""

import contextlib
import os
import pathlib
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib import style, ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image

from experiments.plain_text import significant

WIDTHS = {"column": 3.3, "page": 6.9}  # inches
FORMATS = ("png", "pdf", "svg")
# Okabe and Ito's, which the colour-blind can tell apart, without the yellow,
# which is faint on white.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
  *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
)
BLACK, GREY = "#000000", "#767676"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = (
  "-",
  "--",
  "-.",
  ":",
  (0, (5, 1, 1, 1, 1, 1)),
  (0, (8, 2)),
  (0, (1, 1)),
)

_STYLE = {
  **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 8),
  **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7),
  "legend.frameon": False,
  "axes.spines.top": False,
  "axes.spines.right": False,
  "axes.axisbelow": True,
  "grid.alpha": 0.25,
  "lines.linewidth": 1.2,
  "lines.markersize": 4,
  "text.parse_math": False,  # a run's name may have two dollars
  "pdf.fonttype": 42,  # text stays text
  "svg.hashsalt": "lstm_jax",  # names do not change from time to time
}
# What would differ from one drawing of the same numbers to the next.
_METADATA: dict[str, dict[str, Any]] = {
  "png": {"Software": None},
  "pdf": {"CreationDate": None},
  "svg": {"Date": None},
}


@contextlib.contextmanager
def picture(
  path: pathlib.Path, width: str = "page", height: float = 3.0, **grid
) -> Iterator[tuple[Any, np.ndarray]]:
  """A figure and its axes [rows, columns], saved in the end.

  Args:
    path: its suffix is the format.
    height: inches, without the legend, which comes on top of it.
    grid: of Figure.subplots.
  """
  with style.context(["default", _STYLE]), warnings.catch_warnings():
    # A name in letters that the font lacks is no reason to say so.
    warnings.filterwarnings("ignore", "Glyph .* missing from font")
    figure = Figure(figsize=(WIDTHS[width], height), layout="constrained")
    FigureCanvasAgg(figure)  # measures texts
    axes = figure.subplots(squeeze=False, **grid)
    yield figure, axes
    _add_legend(figure, axes.flat)
    for each in axes.flat:
      _spread_ticks(figure, each)
    kind = path.suffix.removeprefix(".")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
      figure.savefig(temporary, format=kind, dpi=200, metadata=_METADATA[kind])
      if kind == "png":
        _make_small(temporary)
      os.replace(temporary, path)
    finally:
      temporary.unlink(missing_ok=True)


def look(number: int) -> dict[str, Any]:
  """Colour, mark and line of the curve of a number, from 0 on."""
  return {
    "color": COLOURS[number % len(COLOURS)],
    "marker": MARKERS[number % len(MARKERS)],
    "linestyle": LINES[number % len(LINES)],
  }


def scale(axes: Axes, which: str, values: ArrayLike):
  """Makes the "x" or "y" axis one of logarithms, where positive values span a
  decade or more; zeros stay visible."""
  axis = getattr(axes, f"{which}axis")
  known = np.asarray(values, float)
  known = known[np.isfinite(known)]
  positive = known[known > 0]
  if not len(positive) or known.min() < 0:
    return
  decades = np.log10(positive.max() / positive.min())
  if decades < 1:
    return
  set_scale = getattr(axes, f"set_{which}scale")
  if len(positive) == len(known):
    set_scale("log")
    subs = (1, 2, 5) if decades < 2 else (1,)
    axis.set_major_locator(ticker.LogLocator(subs=subs))
  else:
    set_scale("symlog", linthresh=positive.min())
  axis.set_major_formatter(
    ticker.FuncFormatter(lambda value, _: significant(value))
  )
  axis.set_minor_formatter(ticker.NullFormatter())


def whole_ticks(axis: Axis):
  """Ticks at whole numbers only, of what is counted."""
  axis.set_major_locator(ticker.MaxNLocator(integer=True))
  axis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))


def shorten(text: str, length: int = 40) -> str:
  """What a user typed, in one line and without its middle if it is longer."""
  text = "".join(c if c.isprintable() else "?" for c in text)
  text = f" {text}" if text.startswith("_") else text  # or no legend has it
  half = (length - 3) // 2
  return text if len(text) <= length else f"{text[:half]} … {text[-half:]}"


def _make_small(path: pathlib.Path):
  """A third of the bytes: a picture of lines needs no more than 256 colours."""
  with Image.open(path) as image:
    small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
  small.save(path, format="png", optimize=True, dpi=(200, 200))


def _add_legend(figure, every):
  """Above the axes, in as many columns as there is room for; the figure grows
  by its height."""
  entries = {}
  for axes in every:
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
      if _is_drawn(handle):
        entries.setdefault(label, handle)
  if not entries:
    return
  width, height = figure.get_size_inches()
  labels = [textwrap.fill(label, int(16 * width)) for label in entries]
  for columns in (4, 3, 2, 1):
    legend = figure.legend(
      entries.values(), labels, loc="outside upper center", ncols=columns
    )
    box = legend.get_window_extent(figure.canvas.get_renderer())
    if box.width <= figure.bbox.width or columns == 1:
      figure.set_size_inches(width, height + box.height / figure.dpi)
      return
    legend.remove()


def _is_drawn(handle) -> bool:
  """Not a line or bars of no point."""
  if hasattr(handle, "get_xdata"):
    return len(handle.get_xdata()) > 0
  return not hasattr(handle, "__len__") or len(handle) > 0


def _spread_ticks(figure, axes):
  """Turns labels below the axis that would touch."""
  figure.draw_without_rendering()
  renderer = figure.canvas.get_renderer()
  labels = [text for text in axes.get_xticklabels() if text.get_text()]
  low, high = sorted(axes.get_xlim())
  shown = [t for t in labels if low <= t.get_position()[0] <= high]
  boxes = sorted(t.get_window_extent(renderer).extents.tolist() for t in shown)
  if any(b[0] < a[2] + 3 for a, b in zip(boxes, boxes[1:], strict=False)):
    axes.tick_params("x", labelrotation=40)
    for text in labels:
      text.set(ha="right", rotation_mode="anchor")
