"""How a training process is set up."""

import jax

from lstm_jax.config import Config
from lstm_jax.errors import ConfigError
from lstm_jax.parallel import processes, runtime
from lstm_jax.parallel.rows import choose_devices


def start_process(config: Config, starts: list[dict]) -> int:
  """Sets up JAX and returns how many devices, of all processes, share a batch.

  That is as many as asked for, else as at the run's last start, else what is
  fast; `starts` is what run.json tells of them.

  Raises:
    ConfigError: the platform is not available, or has too few devices.
  """
  run = config.run
  if processes.process_count() > 1:
    devices = _devices_of_each(config, starts) * processes.process_count()
  elif run.devices:
    devices = run.devices
  elif starts:
    devices = starts[-1].get("devices", 1)
  else:
    devices = _fast_on_cpu(config)
  runtime.setup(
    run.platform,
    run.tune_allocator,
    run.compilation_cache,
    devices=devices // processes.process_count(),
    threads=run.threads,
  )
  available = jax.device_count()
  if available < run.devices:
    raise ConfigError(
      f"run.devices: {run.devices} asked for, {available} available"
    )
  if processes.process_count() > 1:
    return _check_batch(config, min(devices or available, available))
  if run.devices:
    return devices
  if starts:
    return _as_many(config, min(max(devices, 1), available))
  # Chosen for a CPU with so many cores; an accelerator takes the whole batch.
  fits = jax.default_backend() == "cpu" and 1 <= devices <= available
  return devices if fits else 1


def _as_many(config, devices) -> int:
  """At most so many devices, between which the rows can be split."""
  if config.train.trials > 1:  # each has its own rows
    return devices
  rows = config.train.batch_size
  return next(n for n in range(devices, 0, -1) if rows % n == 0)


def _fast_on_cpu(config):
  """Devices that are fast, if the platform is a CPU."""
  if config.run.platform not in ("", "cpu"):
    return 0
  if config.train.trials > 1:
    return min(runtime.cores(), config.train.trials)
  return choose_devices(
    config.train.batch_size, config.model.hidden_sizes, runtime.cores()
  )


def _devices_of_each(config, starts) -> int:
  """Devices that each of several processes gives; 0 is all it has."""
  count, total = processes.process_count(), config.run.devices
  if config.train.trials > 1:
    raise ConfigError("train.trials: several trials run in one process")
  if total % count:
    raise ConfigError(
      f"run.devices: {total} cannot be shared by {count} processes"
    )
  if not total and starts:
    total = starts[-1].get("devices", 1)
  if total and total % count == 0:
    return total // count
  return 0


def _check_batch(config, devices) -> int:
  shares = devices // config.run.model_parallel
  if config.train.batch_size % shares:
    raise ConfigError(
      f"train.batch_size: {config.train.batch_size} cannot be split over the"
      f" {shares} of {processes.process_count()} processes; set run.devices"
    )
  return devices
