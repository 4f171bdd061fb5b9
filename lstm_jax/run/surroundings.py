"""What surrounds a run, is left to the user, and may change its numbers.

`runtime.setup` pins what changes draws and types. What is here is written into
run.json, and a run that goes on in other surroundings says so.
"""

import os
import pathlib
import platform

import jax

from lstm_jax.parallel import runtime

_SETTINGS = (
  "jax_default_matmul_precision",
  "jax_disable_jit",
  "jax_disable_most_optimizations",
  "jax_optimization_level",
  "jax_use_hlo_logistic_lowering",
)
_VARIABLES = ("NVIDIA_TF32_OVERRIDE",)
# They follow from what is recorded beside them, or change no number.
_OTHER_FLAGS = (
  "--xla_force_host_platform_device_count",
  "--xla_cpu_multi_thread_eigen",
  "--xla_gpu_deterministic_ops=true",
  "--xla_dump",
)


def jax_settings() -> dict[str, str]:
  """Settings of JAX and XLA by name, but those that are as usual."""
  found = {name: jax.config.values[name] for name in _SETTINGS}
  found = {k: v for k, v in found.items() if v not in (None, False, "UNKNOWN")}
  found |= {name: os.environ[name] for name in _VARIABLES if name in os.environ}
  flags = [f for f in runtime.xla_flags() if not f.startswith(_OTHER_FLAGS)]
  if flags:
    found["XLA_FLAGS"] = " ".join(sorted(flags))
  return {name: str(value) for name, value in found.items()}


def processor() -> str:
  """The CPU's name: its vectors order the sums."""
  try:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
      if line.startswith("model name"):
        return line.partition(":")[2].strip()
  except (OSError, ValueError):
    pass  # not on Linux
  return platform.processor() or platform.machine()


def threads(devices: int) -> int:
  """Threads that share one product of a CPU, and so order its sum."""
  if devices > 1:
    return 1
  count = os.environ.get("NPROC", "")
  return int(count) if count.isdecimal() else runtime.cores()
