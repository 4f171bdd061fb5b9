"""How a training process is set up."""

import jax

from lstm_jax import runtime
from lstm_jax.config import Config
from lstm_jax.errors import ConfigError
from lstm_jax.training.data_parallel import choose_devices


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
    if config.train.trials > 1:
      devices = min(cores, config.train.trials)
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
