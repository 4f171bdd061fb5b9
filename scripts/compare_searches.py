"""Optuna against random search: who finds the better points in 20 trials?

  python -m scripts.compare_searches
  python -m scripts.compare_searches --seeds=3 --results=runs/searches

The adding problem, and a space of learning rate, units and forget bias. A
search differs from another by its seed, and both kinds take each seed: random
points as every launcher takes them, and Optuna's as --launcher=optuna asks for
them, one after the other, none stopped early. A trial's score is the mean of
two training runs, each with a seed of its own that all trials share.

Trials are kept in RESULTS/searches.jsonl, from which the page and the plot
beside it are made; searches that are there already are not made again.
"""

import json
import math
import pathlib
import statistics
import tempfile
import time

import jax
from absl import flags

from experiments.command_line import (
  load_config_file,
  make_folder,
  new_flags,
  parse_flags,
  run_command,
)
from experiments.device_setup import start_process
from experiments.pictures import look, picture, scale, whole_ticks
from experiments.scores import mean_scores, score_trials
from lstm_jax.config import Config, show, validate
from lstm_jax.config.sweeps import (
  Choice,
  Integers,
  Point,
  SearchSpace,
  Uniform,
  sample,
)
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.files import write_atomically
from lstm_jax.run.build import build

TRIALS, UPDATES, VALIDATE_EVERY, LENGTH = 20, 400, 100, 30
SEARCHES = ("random", "Optuna")


def make_space(seed: int) -> SearchSpace:
  return SearchSpace(
    {
      "optimizer.learning_rate": Uniform(1e-4, 1e-1, log=True),
      "model.hidden_sizes": Choice(((8,), (16,), (32,))),
      "model.options.forget_bias": Integers(-2, 5),
    },
    trials=TRIALS,
    seed=seed,
  )


def make_config(point: Point) -> Config:
  config = load_config_file("configs/adding.py")
  config.task.length = LENGTH
  config.model.hidden_sizes = point["model.hidden_sizes"]
  config.model.options.forget_bias = float(point["model.options.forget_bias"])
  config.train.stop.name = "never"
  config.train.steps, config.train.validate_every = UPDATES, VALIDATE_EVERY
  config.run.save_every = config.run.log_every = VALIDATE_EVERY
  # As rates of trials, which are no constants of the compiled program.
  config.train.trials = 2
  rate = point["optimizer.learning_rate"]
  config.train.trial_learning_rates = (rate, rate)
  return validate(config)


def score(point: Point) -> float:
  """The best squared error on validation, of the means of two runs."""
  config = make_config(point)
  experiment, state = build(config)
  evaluate = make_evaluation(
    experiment.structure,
    experiment.task,
    "valid",
    config.train.validation_streams,
  )
  best = math.inf
  for step in range(0, UPDATES, config.train.steps_per_call):
    if step and step % VALIDATE_EVERY == 0:
      best = min(best, _validate(experiment, evaluate, state))
    state, _ = experiment.train_call(state, experiment.data)
  return min(best, _validate(experiment, evaluate, state))


def _validate(experiment, evaluate, state) -> float:
  sums = score_trials(
    evaluate, state.evaluated, several=True, watch=lambda *_: None
  )
  return mean_scores(experiment.task, sums)[0]["squared_error"]


def search(kind: str, seed: int):
  """Yields each point that was tried, and its score."""
  space = make_space(seed)
  if kind == "random":
    for point in sample(space):
      yield point, score(point)
    return
  from experiments.launchers import optuna  # which needs Optuna

  with tempfile.TemporaryDirectory() as folder:
    study = optuna.open_study(pathlib.Path(folder), space)
    for _ in range(space.trials):
      trial = study.ask()
      point = optuna.suggest_point(trial, space)
      found = score(point)
      study.tell(trial, found)
      yield point, found


def best_so_far(scores: list[float]) -> list[float]:
  return [min(scores[: k + 1]) for k in range(len(scores))]


def read(file: pathlib.Path) -> dict[tuple[str, int], list[float]]:
  """The scores of every whole search, in the order of its trials."""
  lines = file.read_text("utf-8").splitlines() if file.exists() else []
  found: dict[tuple[str, int], list[float]] = {}
  for row in map(json.loads, lines):
    found.setdefault((row["search"], row["seed"]), []).append(row["score"])
  return found


def summarise(found: dict[tuple[str, int], list[float]]) -> str:
  """The page: what each search found, and who was better with how many seeds.

  The area is the mean over the trials of the logarithm, base 10, of the best
  score so far.
  """
  seeds = sorted({seed for _, seed in found})
  seeds = [s for s in seeds if all((k, s) in found for k in SEARCHES)]
  lines = [
    "# Optuna against random search",
    "",
    f"Adding, sequences of {LENGTH}, {UPDATES} updates: squared error on"
    f" validation, {TRIALS} trials a search, {len(seeds)} searches of each"
    " kind. Lower is better. The area is the mean over the trials of log10 of"
    " the best error so far.",
    "",
    "![best error so far](searches.png)",
    "",
    "| seed of the search | best, random | best, Optuna | area, random | area,"
    " Optuna |",
    "|---|---|---|---|---|",
  ]
  columns = []
  for seed in seeds:
    curves = [best_so_far(found[kind, seed]) for kind in SEARCHES]
    best = [curve[-1] for curve in curves]
    area = [statistics.mean(map(math.log10, curve)) for curve in curves]
    columns.append((*best, *area))
    cells = [f"{b:.3g}" for b in best] + [f"{a:.3f}" for a in area]
    lines.append(f"| {seed} | " + " | ".join(cells) + " |")
  wins = [sum(row[i + 1] < row[i] for row in columns) for i in range(0, 4, 2)]
  middle = [statistics.median(column) for column in zip(*columns, strict=True)]
  lines.append(
    f"| median | {middle[0]:.3g} | {middle[1]:.3g} | {middle[2]:.3f} |"
    f" {middle[3]:.3f} |"
  )
  lines += [
    "",
    f"Optuna's best is better with {wins[0]} of {len(seeds)} seeds, its area"
    f" with {wins[1]}.",
  ]
  return "\n".join(lines)


def plot(found, path: pathlib.Path):
  """Best so far against trials, of each search and the median of each kind."""
  with picture(path, height=3.2) as (_, grid):
    axes = grid[0, 0]
    for number, kind in enumerate(SEARCHES):
      curves = [
        best_so_far(s) for (k, _), s in sorted(found.items()) if k == kind
      ]
      trials, style = range(1, len(curves[0]) + 1), look(number)
      for curve in curves:
        thin = {"color": style["color"], "lw": 0.5, "alpha": 0.5}
        axes.plot(trials, curve, label=f"{kind}: a search", **thin)
      middle = [statistics.median(c) for c in zip(*curves, strict=True)]
      label = f"{kind}: median of {len(curves)}"
      axes.plot(trials, middle, label=label, **style)
    scale(axes, "y", [s for scores in found.values() for s in scores])
    whole_ticks(axes.xaxis)
    axes.set(xlabel="trials", ylabel="best squared error so far")


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_integer(
    "seeds", 10, "searches of each kind", lower_bound=1, flag_values=values
  )
  flags.DEFINE_string(
    "results", "experiments/results", "of the report", flag_values=values
  )
  parse_flags(values, argv, __doc__)
  results = make_folder(values, "results")
  file = results / "searches.jsonl"
  start_process(make_config(sample(make_space(0))[0]), [])
  for seed in range(values.seeds):
    for kind in SEARCHES:
      if (kind, seed) in read(file):
        continue
      rows, started = [], time.monotonic()
      for point, found in search(kind, seed):
        fields = {k: show(v) for k, v in point.items()}
        rows.append({"search": kind, "seed": seed, "score": found} | fields)
      for row in rows:
        row["jax"] = jax.__version__
      with file.open("a", encoding="utf-8") as out:
        out.write("".join(json.dumps(row) + "\n" for row in rows))
      best = min(row["score"] for row in rows)
      seconds = time.monotonic() - started
      print(f"{kind} {seed}: best {best:.3g} ({seconds:.0f} s)", flush=True)
  found = read(file)
  page = summarise(found)
  plot(found, results / "searches.png")
  end = (
    "Generated by `python -m scripts.compare_searches` from"
    " [searches.jsonl](searches.jsonl)."
  )
  write_atomically(results / "searches.md", f"{page}\n\n{end}\n")
  print(page)


if __name__ == "__main__":
  run_command(main)
