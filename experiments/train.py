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
from absl import flags
from flax import nnx

from experiments import command_line
from experiments.meter import Meter
from experiments.plot import plot_run
from experiments.progress import ProgressReport
from experiments.signals import StopSignal
from lstm_jax import experiment as experiment_lib
from lstm_jax import run_directory, runtime
from lstm_jax.config import Config
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.metrics import Sums
from lstm_jax.models.language_model import parameter_count
from lstm_jax.sampling import generate
from lstm_jax.trained_run import digest
from lstm_jax.training.checkpointing import Checkpointer
from lstm_jax.training.data_parallel import COPIES, choose_devices, place
from lstm_jax.training.evaluation import make_evaluation
from lstm_jax.training.metric_writer import MetricWriter
from lstm_jax.training.train_state import all_finite, update_plateau


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
    vocabulary = run_directory.read_vocabulary(path) if resuming else None
    print(f"reading {config.task.corpus} and making the model", flush=True)
    experiment, state = experiment_lib.build(config, vocabulary, devices)
    task = experiment.task
    run_directory.check_data(path, task.record)
    run_directory.write_config(path, config, task.vocabulary)
    with Checkpointer(path, writing=True) as checkpointer:
      restored, notes = checkpointer.restore_latest(state)
      if restored is None and resuming:  # killed before its first checkpoint
        _, state = experiment_lib.build(config, None, devices)
      state = restored or state
      step = int(state.step)
      notes += run_directory.write_start(
        path, task.record, parameter_count(state.params), step, command, devices
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
        step = int(state.step)
        if step < config.train.steps:
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
  data = place(jax.device_put(task.train), experiment.mesh, COPIES)
  validate = make_evaluation(
    experiment.structure,
    task,
    "valid",
    settings.validation_streams,
    experiment.mesh,
  )
  meter = Meter(config, task, writer, report, checkpointer)
  step = int(state.step)
  while step < settings.steps and stop.number is None:
    state, metrics = experiment.train_step(state, data)  # not waited for
    step += 1
    meter.put(step, metrics)
    checkpointer.poll()
    last = step == settings.steps
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
      sums = validate(state.params)
      scores, nats = task.scores(sums), sums.nats / sums.weight
      if not math.isfinite(nats):
        meter.fail(step, f"the validation loss is {nats}")
      if experiment.plateau:
        state = update_plateau(state, experiment.plateau, nats)
      meter.pause(time.monotonic() - started)
    checkpointer.save(state, nats)
    if validating:
      writer.write(
        step,
        epoch=step / task.steps_per_epoch,
        **{f"valid/{name}": value for name, value in scores.items()},
      )
      report.note(
        f"step {step}: validation {scores[task.headline]:.4f} {_unit(task)}"
      )
  meter.flush()
  return state


def finish(config, experiment, state, checkpointer, report, path, stop):
  """Digest, picture, best score and a sample, when the last step is done."""
  task = experiment.task
  report.note(f"parameters sha256 {digest(state.params)}")
  params, step = checkpointer.load_params("best", state.params)
  nats = checkpointer.validation_losses()[step]
  best = task.scores(Sums(nats, 1.0))[task.headline]
  report.note(f"best validation {best:.4f} {_unit(task)} at step {step}")
  with contextlib.suppress(RunError):  # somebody took metrics.jsonl away
    report.note(f"learning curve in {_short(plot_run(path))}")
  if config.run.sample_length:
    blocks = generate(
      nnx.merge(experiment.structure, params),
      task.vocabulary.encode("\n"),
      config.run.sample_length,
    )
    blocks = itertools.takewhile(lambda _: stop.number is None, blocks)
    text = "".join(task.vocabulary.decode(block) for block in blocks)
    report.note(f"a sample of {len(text)} {task.token}s:\n{text}")


def start_process(config: Config, starts: list[dict]) -> int:
  """Sets up JAX and returns how many devices share a batch.

  That is as many as asked for, else as at the run's last start, else what is
  fast; `starts` is what run.json tells of them.

  Raises:
    ConfigError: the platform is not available, or has too few devices.
  """
  run, cores = config.run, runtime.cores()
  devices = run.devices
  if not devices and starts:
    devices = starts[-1].get("devices", 1)
  elif not devices and run.platform in ("", "cpu"):
    devices = choose_devices(
      config.train.batch_size, config.model.hidden_sizes, cores
    )
  runtime.setup(
    run.platform,
    run.tune_allocator,
    run.compilation_cache,
    devices=devices,
    threads=run.threads,
  )
  available = jax.device_count()
  if available < run.devices:
    raise ConfigError(
      f"run.devices: {run.devices} asked for, {available} available"
    )
  if run.devices or starts:
    return min(max(devices, 1), available)
  # Chosen for a CPU with so many cores; an accelerator takes the whole batch.
  fits = jax.default_backend() == "cpu" and 1 <= devices <= available
  return devices if fits else 1


def _describe(config, experiment, state, path) -> str:
  layers = ", ".join(map(str, config.model.hidden_sizes))
  device = jax.devices()[0]
  step = int(state.step)
  count = experiment.task.record["unknown_characters"]["train"]
  unknown = f"; the vocabulary lacks {count:,} of its characters" * bool(count)
  return (
    f"{_short(path)}: {config.model.cell} ({layers}),"
    f" {parameter_count(state.params):,} parameters,"
    f" {experiment.task.record['corpus']}, {device.platform},"
    f" {f'going on from step {step}' if step else 'a new run'}" + unknown
  )


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
