"""What is said of a run: at its start, and when its last step is done."""

import itertools
import math
import pathlib

import jax
import numpy as np
from flax import nnx

from experiments.plain_text import significant
from experiments.scores import summarise
from lstm_jax.config import Config
from lstm_jax.data.vocabulary import visible
from lstm_jax.models.base import parameter_count
from lstm_jax.parallel import processes
from lstm_jax.parallel.rows import COPIES, place
from lstm_jax.run.load import digest
from lstm_jax.search.sample import generate
from lstm_jax.training.optimizers import make_schedule
from lstm_jax.training.state import run_step
from lstm_jax.training.trials import trial

_MANY = 1  # percent of unknown symbols that training should know of


def finish(config, experiment, state, checkpointer, report, path, stop):
  """Digest, picture, best score and a sample, when the last step is done."""
  task = experiment.task
  params = whole_params(experiment, experiment.to_file(state).evaluated)
  report.note(f"parameters sha256 {digest(params)}")
  if config.train.trials > 1 or state.stop is not None:
    report.note(summarise(config, state, path))
  params, step = checkpointer.load_params("best", state.params)
  params = whole_params(experiment, params)
  if not processes.is_first():
    return
  cost = checkpointer.validations()[step].cost
  if cost is not None:  # as runs of older versions have it
    best = significant(task.headline.value(cost), 5)
    report.note(f"best validation {best} {unit(task)} at step {step}")
  try:
    from experiments.plot import plot_run  # see pictures.py

    report.note(f"learning curve in {_short(plot_run(path))}")
  except Exception as error:  # a picture is no reason for a run to fail
    reason = " ".join(str(error).split())[:200]
    report.note(f"no picture of the learning curve: {reason}")
  if config.run.sample_length and hasattr(config.task, "spoken"):
    of_trial = ""
    if config.train.trials > 1:
      params, of_trial = trial(params, 0), ", of trial 0"
    assets = task.assets()
    blocks = generate(
      nnx.merge(experiment.structure, params),
      config.task.request([""], assets).x[0],
      config.run.sample_length,
      forbidden=config.task.unspoken(assets),
      restart=config.task.restart(assets),
    )
    blocks = list(itertools.takewhile(lambda _: stop.number is None, blocks))
    text = visible("".join(config.task.spoken(blocks, assets)))
    if length := sum(map(len, blocks)):
      report.note(f"a sample of {length} {task.token}s{of_trial}:\n{text}")


def whole_params(experiment, params):
  """Parameters from all devices of all processes, in this process's memory."""
  if processes.count() > 1:
    params = place(params, experiment.layout.mesh, COPIES)
  return jax.tree.map(np.asarray, params)


def extended(before: Config, config: Config, task, step: int) -> list[str]:
  """What --extend_to changes for a run under a schedule that ends at the last
  step: its old end's learning rate, and the one with which it goes on."""
  rates = []
  for each in (before, config):
    schedule = make_schedule(
      each.optimizer, each.train.steps, task.steps_per_epoch
    )
    rates.append(float(schedule(step)))
  if math.isclose(*rates, rel_tol=1e-6):
    return []
  return [
    f"the schedule ended at step {before.train.steps:,} and ends at"
    f" {config.train.steps:,} now: at step {step:,} the learning rate was"
    f" {rates[0]:.3g} and goes on at {rates[1]:.3g}, so that this is not the"
    f" run that {config.train.steps:,} steps from the start would have been"
  ]


def describe(config, experiment, state, path) -> str:
  layers = ", ".join(map(str, config.model.hidden_sizes))
  device = jax.devices()[0]
  step = run_step(state)
  record = experiment.task.record
  return (
    f"{_short(path)}: {config.model.cell} ({layers}),"
    f" {count(config, state):,} parameters,"
    + f" {config.train.trials} trials," * (config.train.trials > 1)
    + f" {processes.count()} processes," * (processes.count() > 1)
    + f" {record['corpus']}, {device.platform},"
    f" {f'going on from step {step}' if step else 'a new run'}"
    + _unknown(config, experiment.task)
  )


def _unknown(config, task) -> str:
  """A line that says how much of the text the vocabulary lacks."""
  unknown = task.record.get(f"unknown_{task.token}s")
  if unknown is None:
    return ""
  token = "word" if config.task.words else task.token
  train, valid = (
    100 * unknown[split] / max(task.record[f"{task.token}s"][split], 1)
    for split in ("train", "valid")
  )
  if not train + valid:
    return ""
  line = f"\nvalid: {_percent(valid)} unknown {token}s"
  if config.train.init_from:
    return f"{line}, train: {_percent(train)}; its vocabulary is another run's"
  if not train and valid > _MANY:
    line += (
      ", none in training, which never learns their symbol: with"
      " --config.task.min_count=2, or a task.vocabulary_size, rare ones are"
      " unknown there too"
    )
  return line


def _percent(share: float) -> str:
  return f"{share:.1f} %" if share >= 0.1 or not share else f"{share:.1g} %"


def count(config, state) -> int:
  return parameter_count(state.params) // config.train.trials


def unit(task) -> str:
  return task.headline.name.replace("_per_", "/")


def _short(path: pathlib.Path) -> str:
  here = pathlib.Path.cwd()
  return str(path.relative_to(here) if path.is_relative_to(here) else path)
