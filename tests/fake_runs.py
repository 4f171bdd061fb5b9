"""Run directories and sweeps as training would leave them."""

import json

import numpy as np

from configs import adding
from experiments import sweep_results
from lstm_jax.config import to_json
from lstm_jax.config.sweeps import grid, name_point


def fake_run(path, point, curve, end=True, trials=1, recipe=adding):
  """A run directory as training would leave it; the curve is of the score that
  the task of the recipe watches."""
  path.mkdir(parents=True)
  config = recipe.get_config("tiny")
  watched = config.task.headline.name
  config.train.seed = point["train.seed"]
  config.optimizer.learning_rate = point["optimizer.learning_rate"]
  config.train.trials = trials
  (path / "config.json").write_text(to_json(config))
  start = {"end": {"step": 20}} if end else {"from_step": 0}
  record = {"data": {"corpus": "x"}, "starts": [start]}
  (path / "run.json").write_text(json.dumps(record))
  rows = [{"step": 1, f"train/{watched}": 9.0}]
  for step, values in curve:
    values = values if isinstance(values, list) else [values]
    for number, value in enumerate(values if trials > 1 else []):
      row = {"step": step, "trial": number, f"valid/{watched}": value}
      rows.append(row)
    rows.append({"step": step, f"valid/{watched}": float(np.mean(values))})
  lines = "".join(json.dumps(row) + "\n" for row in rows)
  (path / "metrics.jsonl").write_text(lines)


def fake_sweep(folder):
  points = grid(
    {"optimizer.learning_rate": [0.1, 0.01], "train.seed": range(2)}
  )
  config = adding.get_config("tiny")
  entries = [
    sweep_results.Entry(name, name, None, point)
    for point in points
    for name in [name_point(point, config)]
  ]
  sweep_results.write_index(folder, entries)
  fake_run(folder / entries[0].name, points[0], [(10, 3.0), (20, 1.0)])
  fake_run(folder / entries[1].name, points[1], [(10, 2.0), (20, 4.0)])
  fake_run(folder / entries[2].name, points[2], [(10, 0.5)], end=False)
  (folder / "logs").mkdir()
  log = folder / "logs" / f"{entries[3].name}.txt"
  log.write_text("reading\nerror: no such thing\nexit code 2 after 1.0 s\n")
  return entries
