"""The continual embedded Reber grammar: what forget gates are for."""

import jax
import numpy as np
from flax import nnx

from experiments.pictures import GREY, look, scale
from lstm_jax.run.load import load_trials
from scripts.papers.base import (
  Row,
  mean_and_std,
  mean_percent,
  read_text,
  values,
)

CONFIG = "configs/gers_2000.py"
TEXT = read_text(__file__)
PIECE = 100  # symbols read at a time
STEPS = (100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000)  # measured
ENOUGH, TOO_MUCH = 0.99, 0.60

STREAMS = {"test": "--task=length=10000,evaluation_sequences=10"}
ROWS = tuple(
  Row(name, description, (name,), tests=STREAMS)
  for name, description in (
    ("forget", "with forget gates"),
    ("standard", "without, 1997's blocks and truncated gradient"),
    ("none", "without, full gradient"),
  )
)


def judge(row: Row, trials) -> tuple[bool, str]:
  """Every trial with forget gates has 99 % of the outer symbols right; those
  without have 60 % or less on average."""
  accuracy = values(trials, "test/accuracy")
  if row.name == "forget":
    good = int((accuracy >= ENOUGH).sum())
    return good == len(accuracy), f"{good} of {len(accuracy)} trials reach 99 %"
  mean = accuracy.mean()
  return mean <= TOO_MUCH, f"the mean, {mean:.1%}, is above 60 %"


def measure(path) -> list[dict[str, float]]:
  """Mean |c| of each trial after so many symbols of validation streams."""
  runs, _ = load_trials(path, "best")
  task = runs[0].config.task
  task.length, task.evaluation_sequences = STEPS[-1], 8
  window, data, _ = task.load(1).evaluation("valid", 8)
  symbols = jax.jit(window)(data, 0)[0].inputs.x
  structure, _ = nnx.split(runs[0].model)

  @jax.jit
  def go_on(params, symbols, state):
    return nnx.merge(structure, params)(symbols, state).state

  found = []
  for run in runs:
    state, sizes = run.model.initial_state(8), {}
    for step in range(PIECE, STEPS[-1] + 1, PIECE):
      state = go_on(run.params, symbols[:, step - PIECE : step], state)
      if step in STEPS:
        sizes[f"cell_state/{step}"] = float(np.abs(state[0].c).mean())
    found.append(sizes)
  return found


def _range(row, trials):
  accuracy = 100 * values(trials, "test/accuracy")
  if not len(accuracy):
    return "-"
  return f"{accuracy.min():.1f} to {accuracy.max():.1f} %"


def _growth(row, trials):
  sizes = [values(trials, f"cell_state/{step}") for step in (1000, 10_000)]
  return " / ".join(mean_and_std(size, 1) for size in sizes)


columns = (
  ("outer symbols right: mean ± std", mean_percent("test/accuracy")),
  ("over trials", _range),
  ("mean cell state after 1,000 / 10,000 symbols", _growth),
)


def plot(rows, axes):
  for number, (row, trials) in enumerate(rows):
    for trial in trials:
      sizes = {step: trial.get(f"cell_state/{step}") for step in STEPS}
      sizes = {step: size for step, size in sizes.items() if size is not None}
      style = look(number) | {"alpha": 0.6, "lw": 0.8, "ms": 2.5}
      label = f"{row.description}, a trial"
      axes.plot(list(sizes), list(sizes.values()), label=label, **style)
  label = "the window of training"
  axes.axvline(200, color=GREY, ls=":", zorder=0, label=label)
  scale(axes, "x", STEPS)
  scale(axes, "y", [1, 10_000])
  axes.set_xlabel("symbols of a stream without reset")
  axes.set_ylabel("mean |cell state|")
