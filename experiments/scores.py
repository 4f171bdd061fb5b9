"""Validation scores of a run or of its trials, and the table of trials."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from lstm_jax.array_types import Params
from lstm_jax.config import Config
from lstm_jax.config.trials import list_trials
from lstm_jax.evaluation.static import Evaluate
from lstm_jax.files import write_atomically
from lstm_jax.metrics.sums import Sums, nats_per_token
from lstm_jax.run.writers import MetricWriter
from lstm_jax.tasks.base import Task
from lstm_jax.training.state import TrainState
from lstm_jax.training.trials import trial

TRIALS = "trials.json"


def score_trials(
  validate: Evaluate,
  params: Params,
  several: bool,
  watch: Callable[[int, int], None],
) -> list[Sums]:
  """The sums of the run, or of each of its trials.

  watch: called as (done, all) after every window.
  """
  if not several:
    return [validate(params, watch)]
  params = jax.device_get(params)  # trials may lie on several devices
  count = len(jax.tree.leaves(params)[0])
  return [
    validate(
      trial(params, number),
      lambda done, every, before=number: watch(
        before * every + done, count * every
      ),
    )
    for number in range(count)
  ]


def mean_scores(task: Task, sums: list[Sums]) -> tuple[dict[str, float], float]:
  """The mean of each score, and of the loss, over trials with a finite loss."""
  sums = [s for s in sums if np.isfinite(nats_per_token(s))] or sums
  every = [task.scores(each) for each in sums]
  mean = {name: float(np.mean([e[name] for e in every])) for name in every[0]}
  return mean, float(np.mean(list(map(nats_per_token, sums))))


def write_scores(writer: MetricWriter, task: Task, step: int, sums: list[Sums]):
  """A line of metrics.jsonl; of several trials, one each and their mean."""
  epoch = {"epoch": step / task.steps_per_epoch} if task.steps_per_epoch else {}
  for number, each in enumerate(sums if len(sums) > 1 else []):
    writer.write_trial(step, number, _named(task.scores(each)))
  writer.write(step, **epoch, **_named(mean_scores(task, sums)[0]))


def _named(scores):
  return {f"valid/{name}": value for name, value in scores.items()}


def summarise_trials(
  config: Config, state: TrainState, path: pathlib.Path
) -> str:
  """Writes trials.json, a record a trial, and returns what it says in a line.

  A record has the trial's seed, learning rate and number of updates; whether
  its loss ceased to be finite, which ended it; and, where there is a stopping
  rule, the update at which each of its bounds was met.
  """
  settings = config.train
  steps, done = np.atleast_1d(state.step), np.atleast_1d(state.done)
  records: list[dict[str, Any]] = []
  for number, seed, rate in list_trials(config):
    record = {
      "trial": number,
      "seed": seed,
      "learning_rate": rate,
      "updates": int(steps[number]),
    }
    if state.stop is not None:
      met = [int(m) for m in state.stop.met.reshape(len(steps), -1)[number]]
      record["met"] = [m if m >= 0 else None for m in met]
    met = record.get("met", [None])
    record["diverged"] = bool(done[number]) and met[-1] is None
    records.append(record)
  write_atomically(path / TRIALS, json.dumps(records, indent=1) + "\n")
  if settings.trials == 1:
    assert state.stop, "else nothing is to be said"
    return describe_stop(config, np.asarray(state.stop.met))
  diverged = sum(record["diverged"] for record in records)
  notes = f"; {diverged} diverged" * bool(diverged)
  notes += f"; {TRIALS} has a record of each"
  if state.stop is None:
    return f"{settings.trials} trials{notes}"
  met = np.array([r["met"][-1] for r in records if r["met"][-1] is not None])
  text = f"{len(met)} of {len(records)} trials met the stopping rule"
  if len(met):
    text += (
      f", after {met.mean():,.0f} updates on average"
      f" ({met.min():,} to {met.max():,})"
    )
  return text + notes


def describe_stop(config: Config, met: np.ndarray) -> str:
  """The updates at which the bounds of a run's stopping rule were met."""
  bounds = config.train.stop.mean_error
  when = [
    f"met at update {int(step):,}" if step >= 0 else "not met" for step in met
  ]
  if len(when) == 1:
    return f"stopping rule: {when[0]}"
  pairs = zip(bounds, when, strict=True)
  return "stopping rule: " + ", ".join(
    f"mean error < {bound:g} {text}" for bound, text in pairs
  )
