"""Trains what a config describes; the same command again goes on from the last
checkpoint.

  python -m experiments.train --config=configs/char_lm.py --workdir=runs/char_lm
  python -m experiments.train --config=configs/char_lm.py --workdir=runs/two \\
      --config.model.hidden_sizes=256,256 --config.train.steps=4000

--config=FILE --help lists the fields of a config. SIGTERM saves and exits with
75, Ctrl-C saves and exits with 130.
"""

import contextlib
import itertools
import math
import pathlib
import shlex
import signal
import time

import jax
import numpy as np
from absl import flags
from flax import nnx

from experiments import command_line
from experiments.meter import Meter
from experiments.plot import plot_run
from experiments.process import start_process
from experiments.progress import ProgressReport
from experiments.scores import (
  mean_scores,
  score_trials,
  summarise,
  write_scores,
)
from experiments.signals import StopSignal
from lstm_jax import experiment as experiment_lib
from lstm_jax import run_directory
from lstm_jax.config import Config
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.metrics import Sums
from lstm_jax.models.language_model import parameter_count
from lstm_jax.sampling import generate
from lstm_jax.trained_run import digest
from lstm_jax.training.checkpointing import Checkpointer
from lstm_jax.training.metric_writer import MetricWriter
from lstm_jax.training.train_state import (
  all_finite,
  observe_validation,
  run_step,
)


def train(
  config: Config, workdir: str, *, extend_to: int = 0, command: str = ""
) -> int:
  """Trains to the last step and returns the exit code.

  Raises:
    UserError: the config, the data, the directory or a checkpoint is wrong, or
      the loss is no longer finite.
  """
  with StopSignal() as stop, run_directory.claim(workdir) as path:
    config = run_directory.check_config(path, config, extend_to)
    devices = start_process(config, run_directory.read_record(path)["starts"])
    resuming = (path / "checkpoints").is_dir()
    vocabulary = _vocabulary(config, path) if resuming else None
    source = getattr(config.task, "corpus", config.task.name)
    print(f"reading {source} and making the model", flush=True)
    experiment, state = experiment_lib.build(config, vocabulary, devices)
    task = experiment.task
    run_directory.check_data(path, task.record)
    run_directory.write_config(path, config, task.vocabulary)
    with Checkpointer(path, writing=True) as checkpointer:
      restored, notes = checkpointer.restore_latest(state)
      if restored is None and resuming:  # killed before its first checkpoint
        _, state = experiment_lib.build(config, None, devices)
      state = restored or state
      step = run_step(state)
      notes += run_directory.write_start(
        path, task.record, _count(config, state), step, command, devices
      )
      with (
        MetricWriter(path, step, config.run.tensorboard) as writer,
        ProgressReport(
          path / "train.log",
          steps=config.train.steps,
          steps_per_epoch=task.steps_per_epoch,
          unit=_unit(task),
          token=task.token,
        ) as report,
      ):
        for note in notes:
          report.note(note)
        report.note(_describe(config, experiment, state, path))
        state = loop(
          config, experiment, state, checkpointer, writer, report, stop
        )
        step = run_step(state)
        if step < config.train.steps and not state.done.all():
          checkpointer.save(state)
          checkpointer.wait()
          report.note(
            f"stopped and saved at step {step}; the same command goes on there"
          )
          if stop.number == signal.SIGINT:
            return command_line.EXIT_SAVED_ON_SIGINT
          return command_line.EXIT_SAVED_ON_SIGTERM
        checkpointer.wait()
        finish(config, experiment, state, checkpointer, report, path, stop)
  return 0


def loop(config, experiment, state, checkpointer, writer, report, stop):
  """Updates until the last step or a signal; returns the state."""
  task, settings = experiment.task, config.train
  several = settings.trials > 1
  validate = make_evaluation(
    experiment.structure,
    task,
    "valid",
    settings.validation_streams,
    None if several else experiment.mesh,
  )
  meter = Meter(config, task, writer, report, checkpointer)
  step, done = run_step(state), np.asarray(state.done)
  while step < settings.steps and stop.number is None and not done.all():
    active = int((~done).sum())
    state, metrics = experiment.train_call(state, experiment.data_at(step))
    step += settings.steps_per_call
    if waits := several or settings.stop.name != "never":
      done = np.asarray(state.done)
    if done.all():
      step = run_step(state)
    extra = f"  {done.sum()} of {done.size} trials done" if several else ""
    meter.put(step, metrics, active, extra)
    if waits:  # so there is nothing to gain from reading the metrics late
      meter.flush()
    checkpointer.poll()
    last = step == settings.steps or done.all()
    validating = last or step % settings.validate_every == 0
    saving = config.run.save_every and step % config.run.save_every == 0
    if not (validating or saving):
      continue
    meter.flush()
    if not all_finite(state.params):  # never saved, so never resumed from
      meter.fail(step, "a parameter is not finite")
    nats = math.inf
    if validating:
      started = time.monotonic()
      report.activity(f"step {step}: validating ...")
      sums = score_trials(validate, state.evaluated, several)
      scores, nats = mean_scores(task, sums)
      if not math.isfinite(nats):
        meter.fail(step, f"the validation loss is {nats}")
      state = observe_validation(state, experiment.plateau, nats)
      meter.pause(time.monotonic() - started)
    checkpointer.save(state, nats)
    if validating:
      write_scores(writer, task, step, sums)
      report.note(
        f"step {step}: validation {scores[task.headline]:.4f} {_unit(task)}"
      )
  meter.flush()
  return state


def finish(config, experiment, state, checkpointer, report, path, stop):
  """Digest, picture, best score and a sample, when the last step is done."""
  task = experiment.task
  report.note(f"parameters sha256 {digest(state.evaluated)}")
  if config.train.trials > 1 or state.stop is not None:
    report.note(summarise(config, state, path))
  params, step = checkpointer.load_params("best", state.params)
  nats = checkpointer.validation_losses()[step]
  if task.vocabulary:
    best = task.scores(Sums(nats, 1.0))[task.headline]
    report.note(f"best validation {best:.4f} {_unit(task)} at step {step}")
  with contextlib.suppress(RunError):  # somebody took metrics.jsonl away
    report.note(f"learning curve in {_short(plot_run(path))}")
  if config.run.sample_length and task.vocabulary:
    blocks = generate(
      nnx.merge(experiment.structure, params),
      task.vocabulary.encode("\n"),
      config.run.sample_length,
      forbidden=(task.vocabulary.unknown_symbol,),
    )
    blocks = list(itertools.takewhile(lambda _: stop.number is None, blocks))
    text = "".join(map(task.vocabulary.decode, blocks))
    count = sum(map(len, blocks))
    report.note(f"a sample of {count} {task.token}s:\n{text}")


def _describe(config, experiment, state, path) -> str:
  layers = ", ".join(map(str, config.model.hidden_sizes))
  device = jax.devices()[0]
  step = run_step(state)
  task, record = experiment.task, experiment.task.record
  unknown = ""
  if config.train.init_from and config.task.text:
    count = record[f"unknown_{task.token}s"]["train"]
    unknown = f"; the vocabulary lacks {count:,} of its {task.token}s"
    unknown *= bool(count)
  return (
    f"{_short(path)}: {config.model.cell} ({layers}),"
    f" {_count(config, state):,} parameters,"
    + f" {config.train.trials} trials,"
    * (config.train.trials > 1)
    + f" {record['corpus']}, {device.platform},"
    f" {f'going on from step {step}' if step else 'a new run'}" + unknown
  )


def _count(config, state) -> int:
  return parameter_count(state.params) // config.train.trials


def _vocabulary(config, path):
  if config.task.text:
    return run_directory.read_vocabulary(path)


def _unit(task) -> str:
  return task.headline.replace("_per_", "/")


def _short(path: pathlib.Path) -> str:
  here = pathlib.Path.cwd()
  return str(path.relative_to(here) if path.is_relative_to(here) else path)


def main(argv: list[str]) -> int:
  values = command_line.new_flags()
  flags.DEFINE_string("workdir", None, "run directory", flag_values=values)
  flags.DEFINE_integer(
    "extend_to",
    0,
    "train a run to this many steps instead of train.steps",
    lower_bound=0,
    flag_values=values,
  )
  config = command_line.parse_config(argv, values, __doc__)
  if not values.workdir:
    raise ConfigError("--workdir is missing; give a directory for the run")
  command = shlex.join(["python", "-m", "experiments.train", *argv[1:]])
  return train(
    config, values.workdir, extend_to=values.extend_to, command=command
  )


if __name__ == "__main__":
  command_line.run_command(main)
