"""The machine that measures, as reports and records name it."""

import os
import platform
import subprocess

from lstm_jax.errors import ConfigError
from lstm_jax.run.surroundings import processor


def machine(on: str = "cpu") -> dict:
  """Names of the processor and the system, cores, and with on="gpu" the GPU."""
  cores = len(os.sched_getaffinity(0))
  found = {"cpu": processor(), "cores": cores, "system": platform.platform()}
  if on == "gpu":
    found["gpu"] = _gpu()
  return found


def _gpu() -> str:
  """Name and driver of the first NVIDIA GPU.

  Raises:
    ConfigError: there is none.
  """
  query = ["nvidia-smi", "--query-gpu=name,driver_version"]
  query.append("--format=csv,noheader")
  try:
    done = subprocess.run(query, capture_output=True, text=True)
  except OSError as error:
    reason = f"nvidia-smi: {error.strerror}"
    raise ConfigError(f"--platform=gpu: no NVIDIA GPU: {reason}") from None
  lines = done.stdout.strip().splitlines()
  if done.returncode or not lines:
    reason = " ".join([*lines, done.stderr.strip()]) or "it names none"
    raise ConfigError(f"--platform=gpu: no NVIDIA GPU: nvidia-smi: {reason}")
  return lines[0]
