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
import time

import numpy as np

from experiments import command_line
from experiments.console import typed_command
from experiments.meter import Meter
from experiments.plain_text import significant
from experiments.plan import Plan, Start, begin, unit
from experiments.profiling import profiled
from experiments.report import finish_run
from experiments.scores import mean_scores, score_trials, write_scores
from experiments.signals import Stopped, StopSignal
from lstm_jax.checkpoints.manifest import NONE, Validation
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.parallel import processes
from lstm_jax.parallel.rows import Layout
from lstm_jax.run import directory, lock
from lstm_jax.training.state import all_finite, observe_validation
from lstm_jax.training.step import suspects


def train(plan: Plan) -> int:
  """Trains to the last step and returns the exit code.

  Raises:
    UserError: the config, the data, the directory or a checkpoint is wrong, or
      the loss is no longer finite.
  """
  claim = lock.claim if processes.is_first() else lock.claim_nothing
  with (
    StopSignal(can_save=False) as stop,
    claim(plan.workdir) as path,
    begin(plan, path, stop) as run,
  ):
    experiment, checkpointer = run.experiment, run.checkpointer
    with profiled(
      experiment, run.traced, run.step, path, run.report
    ) as run.experiment:
      stop.can_save = True
      stopped = loop(run)
    if stopped:
      checkpointer.save(experiment.to_file(run.state))
      checkpointer.wait()
      run.report.note(
        f"stopped and saved at step {run.step}; the same command goes on there"
      )
      return stop.exit_code
    checkpointer.wait()
    finish_run(run)
    if processes.is_first():  # all at once would take each other's file away
      directory.write_end(path, run.step)
  return 0


def loop(run: Start) -> bool:
  """Updates run.state until the last step or a signal.

  Returns:
    Whether a signal came before everything was done.
  """
  task, experiment, settings = run.task, run.experiment, run.config.train
  several, interval = settings.trials > 1, settings.validation_interval()
  validate = make_evaluation(
    experiment.structure,
    task,
    "valid",
    settings.validation_streams,
    Layout() if several else experiment.layout,
  )
  meter = Meter(run, suspects(run.state.params))
  step, done = run.step, np.asarray(run.state.done)

  def validates() -> bool:
    return bool(step == settings.steps or done.all() or step % interval == 0)

  def watch(windows: int, every: int):
    run.stop.check()
    percent = 100 * windows // every
    run.report.activity(f"step {step}: validating {percent} %")

  # A signal may have come before the validation of this step was done.
  owed = step > 0 and validates() and not run.checkpointer.is_validated(step)
  while owed or (step < settings.steps and not done.all()):
    if run.stop.wanted():
      meter.flush()
      return True
    if not owed:
      active, data = int((~done).sum()), experiment.data_at(step)
      run.state, metrics = experiment.train_call(run.state, data)
      step += settings.steps_per_call
      if waits := several or settings.stop.name != "never":
        done = np.asarray(run.state.done)
      if done.all():
        step = run.step
      extra = f"  {done.sum()} of {done.size} trials done" if several else ""
      meter.put(step, metrics, active, extra)
      if waits:  # so there is nothing to gain from reading the metrics late
        meter.flush()
      run.checkpointer.poll()
    every = run.config.run.save_every
    if not (validates() or (every and step % every == 0)):
      continue
    meter.flush()
    if not all_finite(run.state.params):  # never saved, so never resumed from
      meter.fail(step, "a parameter is not finite")
    validation = NONE
    if validates():
      started = time.monotonic()
      try:
        sums = score_trials(validate, run.state.evaluated, several, watch)
      except Stopped:
        return True
      scores, nats = mean_scores(task, sums)
      if not math.isfinite(nats):
        meter.fail(step, f"the validation loss is {nats}")
      cost = task.headline.cost(scores[task.headline.name])
      validation = Validation(nats, cost)
      run.state = observe_validation(run.state, experiment.plateau, cost)
      meter.pause(time.monotonic() - started)
    run.checkpointer.save(experiment.to_file(run.state), validation)
    if validates():
      write_scores(run.writer, task, step, sums)
      score = significant(scores[task.headline.name], 5)
      run.report.note(f"step {step}: validation {score} {unit(task)}")
    owed = False
  meter.flush()
  return False


def main(argv: list[str]) -> int:
  values = command_line.new_flags(
    workdir=(None, "run directory"),
    extend_to=(
      0,
      "train a run to this many steps instead of train.steps",
      (0, None),
    ),
    profile_steps=(
      "",
      "FIRST:END, updates of which a trace is written to WORKDIR/profile",
    ),
    coordinator=("", "HOST:PORT of process 0, or auto; empty is one process"),
    num_processes=(int, "how many processes the run has", (1, None)),
    process_id=(int, "number of this process, from 0 on", (0, None)),
  )
  config = command_line.parse_config(argv, values, __doc__)
  if not values.workdir:
    raise ConfigError("--workdir is missing; give a directory for the run")
  plan = Plan(
    config,
    values.workdir,
    values.extend_to,
    typed_command("train", argv),
    values.profile_steps,
  )
  with processes.joined(
    values.coordinator, values.num_processes, values.process_id
  ):
    return train(plan)


if __name__ == "__main__":
  command_line.run_command(main)
