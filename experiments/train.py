"""Trains what a config describes; the same command again goes on from the last
checkpoint.

  python -m experiments.train --config=configs/char_lm.py --workdir=runs/char_lm
  python -m experiments.train --config=configs/char_lm.py --workdir=runs/two \\
      --config.model.hidden_sizes=256,256 --config.train.steps=4000

--config=FILE --help lists the fields of a config. SIGTERM, SIGUSR1, SIGUSR2 and
SIGHUP save and exit with 75, Ctrl-C saves and exits with 130.

One run on several processes or hosts: the same command on each of them, with
--coordinator=HOST:PORT --num_processes=N --process_id=K, or with
--coordinator=auto under SLURM, Open MPI, Cloud TPU or Kubernetes.
"""

import math
import os
import pathlib
import shlex
import time

import numpy as np
from absl import flags

from experiments import command_line
from experiments.device_setup import start_process
from experiments.meter import Meter
from experiments.plain_text import significant
from experiments.profiling import parse_steps, profiled
from experiments.progress import ProgressReport
from experiments.report import (
  count,
  describe,
  extended,
  finish,
  unit,
  whole_params,
)
from experiments.scores import mean_scores, score_trials, write_scores
from experiments.signals import Stopped, StopSignal
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.checkpoints.manifest import NONE, Validation
from lstm_jax.config import Config, to_json
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.parallel import processes
from lstm_jax.parallel.rows import Layout
from lstm_jax.run import build as experiment_lib
from lstm_jax.run import directory, lock, writers
from lstm_jax.run.load import digest
from lstm_jax.run.writers import MetricWriter
from lstm_jax.training.state import (
  all_finite,
  observe_validation,
  run_step,
)
from lstm_jax.training.step import suspects


def train(
  config: Config,
  workdir: str,
  *,
  extend_to: int = 0,
  command: str = "",
  profile_steps: str = "",
) -> int:
  """Trains to the last step and returns the exit code.

  Raises:
    UserError: the config, the data, the directory or a checkpoint is wrong, or
      the loss is no longer finite.
  """
  first = processes.is_first()
  claim = lock.claim if first else lock.claim_nothing
  with StopSignal(can_save=False) as stop, claim(workdir) as path:
    config = directory.check_config(path, config, extend_to)
    before = directory.read_config(path) if extend_to else config
    writers.check_wandb(config.run.wandb)
    devices = start_process(config, directory.read_record(path)["starts"])
    resuming = (path / "checkpoints").is_dir()
    assets = directory.read_assets(path) if resuming else None
    source = getattr(config.task, "corpus", config.task.name)
    print(f"reading {source} and making the model", flush=True)
    experiment, state = experiment_lib.build(config, assets, devices, resuming)
    task = experiment.task
    traced = parse_steps(profile_steps, config.train.steps)
    directory.check_data(path, task.record)
    if processes.count() > 1:
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
        notes += directory.write_start(
          path, task.record, count(config, state), step, command, devices
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
        report.note(describe(config, experiment, state, path))
        for note in notes:
          report.note(note)
        trace = traced if first else None
        with profiled(experiment, trace, step, path, report) as seen:
          stop.can_save = True
          state, stopped = loop(
            config, seen, state, checkpointer, writer, report, stop
          )
        step = run_step(state)
        if stopped:
          checkpointer.save(experiment.to_file(state))
          checkpointer.wait()
          report.note(
            f"stopped and saved at step {step}; the same command goes on there"
          )
          return stop.exit_code
        checkpointer.wait()
        finish(config, experiment, state, checkpointer, report, path, stop)
        if first:  # all at once would take each other's file away
          directory.write_end(path, step)
  return 0


def _check_same(config, experiment, state):
  """Raises RunError where processes of one run would do different things."""
  processes.check_same("config", to_json(config))
  processes.check_same("data", str(experiment.task.record))
  params = whole_params(experiment, state.params)
  processes.check_same("initial model", digest(params))


def loop(config, experiment, state, checkpointer, writer, report, stop):
  """Updates until the last step or a signal.

  Returns:
    The state, and whether a signal came before everything was done.
  """
  task, settings = experiment.task, config.train
  several, interval = settings.trials > 1, settings.validation_interval()
  validate = make_evaluation(
    experiment.structure,
    task,
    "valid",
    settings.validation_streams,
    Layout() if several else experiment.layout,
  )
  names = suspects(state.params)
  meter = Meter(config, task, writer, report, checkpointer, names)
  step, done = run_step(state), np.asarray(state.done)

  def validates() -> bool:
    return step == settings.steps or done.all() or step % interval == 0

  def watch(windows, every):
    stop.check()
    report.activity(f"step {step}: validating {100 * windows // every} %")

  # A signal may have come before the validation of this step was done.
  owed = step > 0 and validates() and not checkpointer.is_validated(step)
  while owed or (step < settings.steps and not done.all()):
    if stop.wanted():
      meter.flush()
      return state, True
    if not owed:
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
    saving = config.run.save_every and step % config.run.save_every == 0
    if not (validates() or saving):
      continue
    meter.flush()
    if not all_finite(state.params):  # never saved, so never resumed from
      meter.fail(step, "a parameter is not finite")
    validation = NONE
    if validates():
      started = time.monotonic()
      try:
        sums = score_trials(validate, state.evaluated, several, watch)
      except Stopped:
        return state, True
      scores, nats = mean_scores(task, sums)
      if not math.isfinite(nats):
        meter.fail(step, f"the validation loss is {nats}")
      cost = task.headline.cost(scores[task.headline.name])
      validation = Validation(nats, cost)
      state = observe_validation(state, experiment.plateau, cost)
      meter.pause(time.monotonic() - started)
    checkpointer.save(experiment.to_file(state), validation)
    if validates():
      write_scores(writer, task, step, sums)
      score = significant(scores[task.headline.name], 5)
      report.note(f"step {step}: validation {score} {unit(task)}")
    owed = False
  meter.flush()
  return state, False


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
  flags.DEFINE_string(
    "profile_steps",
    "",
    "FIRST:END, updates of which a trace is written to WORKDIR/profile",
    flag_values=values,
  )
  flags.DEFINE_string(
    "coordinator",
    "",
    "HOST:PORT of process 0, or auto; empty is a run of one process",
    flag_values=values,
  )
  flags.DEFINE_integer(
    "num_processes",
    None,
    "how many processes the run has",
    lower_bound=1,
    flag_values=values,
  )
  flags.DEFINE_integer(
    "process_id",
    None,
    "number of this process, from 0 on",
    lower_bound=0,
    flag_values=values,
  )
  config = command_line.parse_config(argv, values, __doc__)
  if not values.workdir:
    raise ConfigError("--workdir is missing; give a directory for the run")
  command = shlex.join(["python", "-m", "experiments.train", *argv[1:]])
  with processes.joined(
    values.coordinator, values.num_processes, values.process_id
  ):
    return train(
      config,
      values.workdir,
      extend_to=values.extend_to,
      command=command,
      profile_steps=values.profile_steps,
    )


if __name__ == "__main__":
  command_line.run_command(main)
