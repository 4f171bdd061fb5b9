"""Chrono initialisation: copying and adding over long times."""

import numpy as np

from configs.tallec_2018 import SIZES
from experiments.pictures import BLUE, GREY, ORANGE, SKY, VERMILLION, scale
from lstm_jax.run.writers import read_metrics
from lstm_jax.tasks.copy_memory import CopyMemoryConfig
from scripts.papers.base import (
  Row,
  curve_of,
  mean_and_std,
  read_text,
  succeeded,
  values,
)

CONFIG = "configs/tallec_2018.py"
TEXT = read_text(__file__)
ADDING_BASELINE = 1 / 6


PANELS = 2


def _row(task, length):
  name = f"{task}-{length}"
  return Row(
    name,
    f"{'copying' if task == 'copy' else 'adding'}, T = {length}",
    (f"{name}-chrono", f"{name}-bias"),
  )


ROWS = tuple(
  _row(task, length) for task, lengths in SIZES.items() for length in lengths
)


def measure(path) -> list[dict[str, float]]:
  """Each trial's validation losses as curve/STEP."""
  lines = read_metrics(path)
  several = any("trial" in line for line in lines)
  curves = {}
  for line in lines:
    loss = line.get("valid/squared_error", line.get("valid/nats_per_step"))
    if loss is not None and (not several or "trial" in line):
      curve = curves.setdefault(line.get("trial", 0), {})
      curve[f"curve/{line['step']}"] = loss
  return [curves[trial] for trial in sorted(curves)]


def _baseline(row) -> float:
  task, length = row.name.split("-")
  if task == "adding":
    return ADDING_BASELINE
  return CopyMemoryConfig(length=int(length)).memoryless_loss()


def _of(trials, start) -> list:
  return [trial for trial in trials if trial["run"].endswith(start)]


def _means(row, trials, start) -> dict[int, float]:
  """Mean loss at each validation, as a multiple of the baseline."""
  curves = [curve_of(trial) for trial in _of(trials, start)]
  steps = set.intersection(*map(set, curves)) if curves else ()
  return {
    step: float(np.mean([curve[step] for curve in curves])) / _baseline(row)
    for step in sorted(steps)
  }


def judge(row: Row, trials) -> tuple[bool, str]:
  """Copying: chrono is under 10 % of the memoryless loss at a step where the
  bias of 1 is still over 50 %. Adding: it needs half the updates, or less."""
  if row.name.startswith("copy"):
    chrono, bias = (_means(row, trials, start) for start in ("chrono", "bias"))
    both = chrono.keys() & bias.keys()
    good = any(chrono[step] < 0.1 and bias[step] > 0.5 for step in both)
    least, last = min(chrono.values()), list(bias.values())[-1]
    return good, f"chrono gets to {least:.0%}, the bias of 1 to {last:.0%}"
  chrono, bias = _of(trials, "chrono"), _of(trials, "bias")
  good = len(succeeded(chrono))
  if good < len(chrono):
    return False, f"{good} of {len(chrono)} chrono trials succeeded"
  ratio = _updates(bias).mean() / _updates(chrono).mean()
  return ratio >= 2, f"{ratio:.2f} times fewer updates"


def _updates(trials) -> np.ndarray:
  """To a squared error of 0.01; of a trial that failed, all of its updates."""
  return values(trials, "updates")


def _result(start):
  def column(row, trials):
    mine = _of(trials, start)
    if not mine:
      return "-"
    if row.name.startswith("copy"):
      relative = 100 * values(mine, "test/nats_per_step") / _baseline(row)
      return f"{mean_and_std(relative, 1)} % of memoryless"
    text = f"{mean_and_std(_updates(mine))} updates"
    if failed := len(mine) - len(succeeded(mine)):
      text += f", {failed} of {len(mine)} not solved"
    return text

  return column


columns = (("chrono", _result("chrono")), ("forget bias 1", _result("bias")))


def plot(rows, panels):
  """Copying at the left, adding at the right."""
  for axes, task in zip(panels, ("copy", "adding"), strict=True):
    mine = [pair for pair in rows if pair[0].name.startswith(task)]
    for place, (row, trials) in enumerate(mine):
      for start, line, colours in (
        ("chrono", "-", (BLUE, SKY)),
        ("bias", "--", (VERMILLION, ORANGE)),
      ):
        words = "chrono" if start == "chrono" else "bias 1"
        label = f"{row.description}, {words}"
        for trial in _of(trials, start):
          curve = curve_of(trial)
          relative = [loss / _baseline(row) for loss in curve.values()]
          style = {"color": colours[place], "ls": line, "lw": 0.9}
          axes.plot(list(curve), relative, label=label, **style)
    axes.axhline(1, color=GREY, ls=":", zorder=0, label="without memory")
    scale(axes, "y", [0.01, 1])
    axes.locator_params("x", nbins=5)
    axes.set_xlabel("updates")
    axes.set_title("copying" if task == "copy" else "adding")
  panels[0].set_ylabel("loss / loss without memory")
