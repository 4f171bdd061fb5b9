"""Measures what a user waits for: the update, the loop around it, and sampling.

  python -m scripts.benchmark_training
  python -m scripts.benchmark_training --config=configs/char_lm.py:large \\
      --steps=5 --rounds=2

Prints medians: the update alone, with the hand-written backward pass and with
autodiff through the scan in alternated rounds; what experiments.train adds to
the update in a short run; and the characters or words sampled a second.
"""

import contextlib
import io
import statistics
import tempfile
import time

import jax
from absl import flags
from flax import nnx

from experiments.command_line import (
  new_flags,
  parse_config,
  run_command,
)
from experiments.device_setup import start_process
from experiments.train import Plan, train
from lstm_jax.data.vocabulary import first_symbol
from lstm_jax.errors import ConfigError
from lstm_jax.run.build import build
from lstm_jax.run.writers import read_metrics
from lstm_jax.search.sample import generate


def measure_updates(
  config, steps: int, rounds: int, devices: int
) -> dict[str, float]:
  """Median seconds of an update with each backward pass."""
  runs = {}
  for backward in ("fused", "autodiff"):
    config.model.backward = backward
    experiment, state = build(config, devices=devices)
    data = experiment.data
    runs[backward] = [experiment.train_call, state, data, []]
  config.model.backward = "fused"
  for number in range(rounds + 1):  # the first compiles and warms up
    for run in runs.values():
      train_step, state, data, seconds = run
      for _ in range(steps if number else 2):
        started = time.perf_counter()
        state, metrics = train_step(state, data)
        jax.block_until_ready((state, metrics))
        if number:
          seconds.append(time.perf_counter() - started)
      run[1] = state
  return {name: statistics.median(run[3]) for name, run in runs.items()}


def measure_loop(config, steps: int) -> float:
  """Mean tokens a second in experiments.train, with everything the loop does
  but compilation and validation."""
  config.run.log_every = max(steps // 10, 1)
  # The first interval compiles, and may have no speed.
  config.train.steps = steps + config.run.log_every
  config.train.epochs = 0
  config.train.validate_every = config.train.steps
  config.run.save_every = steps // 4
  config.run.sample_length = 0
  with tempfile.TemporaryDirectory() as folder:
    with contextlib.redirect_stdout(io.StringIO()):
      train(Plan(config, f"{folder}/run"))
    rows = read_metrics(f"{folder}/run")
  speeds = [row.get(f"{config.task.token}s_per_second") for row in rows]
  # intervals of one length
  return statistics.harmonic_mean(speed for speed in speeds if speed)


def measure_sampling(config, length: int, rounds: int) -> float:
  """Median tokens a second, without compilation."""
  experiment, state = build(config)
  model = nnx.merge(experiment.structure, state.params)
  prompt = first_symbol(experiment.task.vocabulary)
  speeds = []
  for _ in range(rounds + 1):
    started = time.perf_counter()
    for _ in generate(model, prompt, length):
      pass
    speeds.append(length / (time.perf_counter() - started))
  return statistics.median(speeds[1:])


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_integer(
    "steps", 20, "updates a round", lower_bound=1, flag_values=values
  )
  flags.DEFINE_integer(
    "rounds", 5, "rounds of each", lower_bound=1, flag_values=values
  )
  config = parse_config(argv, values, __doc__, "configs/char_lm.py")
  if config.task.family != "text":
    raise ConfigError(f'task.name: "{config.task.name}" has no text to sample')
  if config.train.trials > 1:
    raise ConfigError("train.trials: one is measured; set it to 1")
  config.train.steps_per_call = 1  # each update is timed
  devices = start_process(config, [])
  device = jax.devices()[0]
  print(
    f"{device.platform} ({device.device_kind}), jax {jax.__version__},"
    f" {devices} devices share a batch"
  )
  tokens = config.task.load(config.train.batch_size).tokens_per_step
  unit = f"{config.task.token}s/s"
  updates = measure_updates(config, values.steps, values.rounds, devices)
  for name, seconds in updates.items():
    print(
      f"update, {name} backward: {1e3 * seconds:.1f} ms,"
      f" {tokens / seconds:,.0f} {unit}"
    )
  speed = measure_sampling(config, 2000, values.rounds)
  print(f"sampling: {speed:,.0f} {unit}")
  speed = measure_loop(config, values.steps * values.rounds)
  loop = tokens / speed
  print(
    f"in the training loop: {1e3 * loop:.1f} ms, {speed:,.0f} {unit},"
    f" {100 * (loop / updates['fused'] - 1):+.1f} % on the update"
  )


if __name__ == "__main__":
  run_command(main)
