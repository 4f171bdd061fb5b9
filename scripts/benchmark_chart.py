"""The chart of what scripts.benchmark_lstm measured."""

import pathlib

from experiments.pictures import (
  BLACK,
  BLUE,
  GREEN,
  GREY,
  ORANGE,
  PURPLE,
  SKY,
  VERMILLION,
  picture,
)
from scripts.benchmark_records import find, median, section, unique

COLOURS = {
  "ours": BLACK,
  "torch": VERMILLION,
  "linen": BLUE,
  "nnx": SKY,
  "haiku": GREEN,
  "equinox": ORANGE,
  "keras": PURPLE,
}


def chart(results: dict, path: pathlib.Path):
  """Bars for each shape: a contender's time over ours, lower is faster."""
  records = section(results, "layers")
  modes, settings = unique(records, "mode"), unique(records, "setting")
  names = unique(records, "name")
  labels = []
  for name in names:
    b, t, d, h, _ = find(records, name=name)["case"]["shape"]
    labels.append(f"{name}\nB {b}\nT {t}\nI {d}\nH {h}")
  peers = [p for p in unique(records, "peer") if p != "ours"]
  width = 0.8 / max(len(peers), 1)
  grid = {"nrows": len(settings), "ncols": len(modes), "sharey": "row"}
  with picture(path, height=2.4 * len(settings), **grid) as (_, panels):
    for i, setting in enumerate(settings):
      for j, mode in enumerate(modes):
        axes = panels[i][j]
        for k, peer in enumerate(peers):
          for x, name in enumerate(names):
            where = {"name": name, "setting": setting, "mode": mode}
            ours = median(find(records, peer="ours", **where))
            theirs = median(find(records, peer=peer, **where))
            if ours and theirs:
              place = x + (k - (len(peers) - 1) / 2) * width
              color = COLOURS.get(peer, GREY)
              axes.bar(place, theirs / ours, width, color=color, label=peer)
        axes.axhline(1, color=COLOURS["ours"], ls="--", label="ours")
        axes.set_xticks(range(len(names)), labels)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_title(f"{mode}, {setting}")
        axes.grid(axis="y")
        if j == 0:
          axes.set_ylabel("time / ours; lower is faster")
