"""The chart of what scripts.benchmark_lstm measured."""

import pathlib

from scripts.benchmark_records import find, median, section, unique

COLOURS = {
  "ours": "#c44e22",
  "torch": "#444444",
  "linen": "#3f6fb0",
  "nnx": "#86aede",
  "haiku": "#5b9e6f",
  "equinox": "#a6cfa4",
  "keras": "#d9b44a",
}


def chart(results: dict, path: pathlib.Path):
  """Bars for each shape: a contender's time over ours, lower is faster."""
  # Imported late: it takes a second, and complains where HOME is read-only.
  import matplotlib

  matplotlib.use("Agg")
  import matplotlib.pyplot as plt

  records = section(results, "layers")
  modes, settings = unique(records, "mode"), unique(records, "setting")
  names = unique(records, "name")
  labels = []
  for name in names:
    b, t, d, h, _ = find(records, name=name)["case"]["shape"]
    labels.append(f"{name}\nB {b}, T {t}\nI {d}, H {h}")
  peers = [p for p in unique(records, "peer") if p != "ours"]
  figure, grid = plt.subplots(
    len(settings),
    len(modes),
    figsize=(6.5 * len(modes), 3.1 * len(settings) + 0.6),
    squeeze=False,
    sharey="row",
    layout="constrained",
  )
  width = 0.8 / max(len(peers), 1)
  for i, setting in enumerate(settings):
    for j, mode in enumerate(modes):
      axes = grid[i][j]
      for k, peer in enumerate(peers):
        for x, name in enumerate(names):
          where = {"name": name, "setting": setting, "mode": mode}
          ours = median(find(records, peer="ours", **where))
          theirs = median(find(records, peer=peer, **where))
          if ours and theirs:
            axes.bar(
              x + (k - (len(peers) - 1) / 2) * width,
              theirs / ours,
              width,
              color=COLOURS.get(peer, "#999999"),
            )
      axes.axhline(1, color=COLOURS["ours"], lw=1.5)
      axes.set_xticks(range(len(names)), labels, fontsize=8)
      axes.set_xlim(-0.5, len(names) - 0.5)
      axes.set_title(f"{mode}, {setting}", fontsize=10)
      axes.grid(axis="y", alpha=0.25)
      axes.set_axisbelow(True)
      axes.spines[["top", "right"]].set_visible(False)
      if j == 0:
        axes.set_ylabel("time / ours; lower is faster", fontsize=9)
  handles = [plt.Line2D([], [], color=COLOURS["ours"], label="ours")] + [
    plt.Rectangle((0, 0), 1, 1, color=COLOURS.get(p, "#999999"), label=p)
    for p in peers
  ]
  figure.legend(
    handles=handles, loc="outside upper center", ncols=8, frameon=False
  )
  figure.savefig(path, dpi=130)
  plt.close(figure)
