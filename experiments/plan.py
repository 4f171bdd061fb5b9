"""One start of a run: what is asked for, what it works with, and all that comes
before its first update."""

import contextlib
import dataclasses
import math
import os
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.device_setup import start_process
from experiments.plain_text import significant
from experiments.profiling import parse_steps
from experiments.progress import ProgressReport
from experiments.signals import StopSignal
from lstm_jax.array_types import Params
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.config import Config, to_json
from lstm_jax.models.base import parameter_count
from lstm_jax.parallel import processes
from lstm_jax.parallel.rows import COPIES, place
from lstm_jax.run import build as experiment_lib
from lstm_jax.run import directory, writers
from lstm_jax.run.build import Experiment
from lstm_jax.run.load import parameter_digest
from lstm_jax.run.writers import MetricWriter
from lstm_jax.tasks.base import Task
from lstm_jax.training.optimizers import make_schedule
from lstm_jax.training.state import TrainState, run_step

_MANY = 1  # percent of unknown symbols that training should know of


class Plan(NamedTuple):
  """What is asked for: all that `train` has to know."""

  config: Config
  workdir: str | pathlib.Path
  extend_to: int = 0  # steps, in place of those that the run has; 0 leaves them
  command: str = ""  # what a person types to repeat it, for run.json
  profile_steps: str = ""  # FIRST:END, updates to trace


@dataclasses.dataclass
class Start:
  """A start under way: its files are open, its state is that of now."""

  config: Config
  path: pathlib.Path
  experiment: Experiment
  state: TrainState
  checkpointer: Checkpointer
  writer: MetricWriter
  report: ProgressReport
  stop: StopSignal
  traced: range | None  # updates of which a trace is wanted

  @property
  def task(self) -> Task:
    return self.experiment.task

  @property
  def step(self) -> int:
    return run_step(self.state)


@contextlib.contextmanager
def begin(plan: Plan, path: pathlib.Path, stop: StopSignal) -> Iterator[Start]:
  """All that comes before the first update: the data and the model, or the last
  checkpoint; the run directory's files are open until the end."""
  first = processes.is_first()
  config = directory.check_config(path, plan.config, plan.extend_to)
  before = directory.read_config(path) if plan.extend_to else config
  writers.check_wandb(config.run.wandb)
  devices = start_process(config, directory.read_record(path)["starts"])
  resuming = (path / "checkpoints").is_dir()
  assets = directory.read_assets(path) if resuming else None
  source = getattr(config.task, "corpus", config.task.name)
  print(f"reading {source} and making the model", flush=True)
  experiment, state = experiment_lib.build(config, assets, devices, resuming)
  task = experiment.task
  traced = parse_steps(plan.profile_steps, config.train.steps)
  directory.check_same_data(path, task.record)
  if processes.process_count() > 1:
    _check_same(config, experiment, state)
  if first:
    directory.write_config(path, config, task.assets())
  processes.wait("config written")
  if not first:
    directory.read_config(path)  # all must see the same directory
  with Checkpointer(path, writing=True) as checkpointer:
    restored, notes = checkpointer.restore_latest(state)
    if restored is None and resuming:  # killed before its first checkpoint
      _, state = experiment_lib.build(config, None, devices)
    state = experiment.from_file(restored) if restored else state
    step = run_step(state)
    notes += extended(before, config, task, step)
    if first:
      parameters = count_parameters(config, state)
      notes += directory.write_start(
        path, task.record, parameters, step, plan.command, devices
      )
    project = config.run.wandb if first else ""
    logged = writers.open_wandb(path, project, to_json(config))
    with (
      MetricWriter(
        path if first else None, step, config.run.tensorboard, logged
      ) as writer,
      ProgressReport(
        path / "train.log" if first else pathlib.Path(os.devnull),
        steps=config.train.steps,
        steps_per_epoch=task.steps_per_epoch,
        unit=unit(task),
        token=task.token,
      ) as report,
    ):
      run = Start(
        config,
        path,
        experiment,
        state,
        checkpointer,
        writer,
        report,
        stop,
        traced if first else None,
      )
      for note in (describe_start(run), *notes):
        report.note(note)
      del state, restored  # each update gives its arrays away
      yield run


def _check_same(config, experiment, state):
  """Raises RunError where processes of one run would do different things."""
  processes.check_same("config", to_json(config))
  processes.check_same("data", str(experiment.task.record))
  params = whole_params(experiment, state.params)
  processes.check_same("initial model", parameter_digest(params))


def whole_params(experiment: Experiment, params: Params) -> Params:
  """Parameters from all devices of all processes, in this process's memory."""
  if processes.process_count() > 1:
    params = place(params, experiment.layout.mesh, COPIES)
  return jax.tree.map(np.asarray, params)


def extended(
  before: Config, config: Config, task: Task, step: int
) -> list[str]:
  """What --extend_to changes for a run under a schedule that ends at the last
  step: its old end's learning rate, and the one with which it goes on."""
  rates: list[Any] = []
  for each in (before, config):
    schedule = make_schedule(
      each.optimizer, each.train.steps, task.steps_per_epoch
    )
    rates.append(schedule(step))
  if math.isclose(*map(float, rates), rel_tol=1e-6):
    return []
  return [
    f"the schedule ended at step {before.train.steps:,} and ends at"
    f" {config.train.steps:,} now: at step {step:,} the learning rate was"
    f" {rates[0]:.3g} and goes on at {rates[1]:.3g}, so that this is not the"
    f" run that {config.train.steps:,} steps from the start would have been"
  ]


def describe_start(run: Start) -> str:
  """A line, or two, on what is trained, of what, where and from where on."""
  config, task = run.config, run.task
  layers = ", ".join(map(str, config.model.hidden_sizes)) or "linear"
  kind = getattr(config.model, "cell", config.model.name)
  return (
    f"{short_path(run.path)}: {kind} ({layers}),"
    f" {count_parameters(config, run.state):,} parameters,"
    + f" {config.train.trials} trials," * (config.train.trials > 1)
    + f" {processes.process_count()} processes,"
    * (processes.process_count() > 1)
    + f" {task.record['corpus']}, {jax.devices()[0].platform},"
    f" {f'going on from step {run.step}' if run.step else 'a new run'}"
    + _unknown(config, task)
    + _baseline(task.record)
  )


def _baseline(record) -> str:
  """A line with the scores of what needs no model, if the task has them."""
  if not record.get("baseline"):
    return ""
  name, *scores = record["baseline"].items()
  scores = scores[:3]  # those of each output come after them
  values = ", ".join(
    f"{significant(value, 5)} {score}" for score, value in scores
  )
  return f"\nbaseline on validation, {name[1]}: {values}"


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


def count_parameters(config: Config, state: TrainState) -> int:
  """Those of one trial."""
  return parameter_count(state.params) // config.train.trials


def unit(task: Task) -> str:
  """The score that is watched, as a line of progress has it: "bits/char"."""
  return task.headline.name.replace("_per_", "/")


def short_path(path: pathlib.Path) -> str:
  here = pathlib.Path.cwd()
  return str(path.relative_to(here) if path.is_relative_to(here) else path)
