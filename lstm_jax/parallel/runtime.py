"""Process set-up, done before the first array: platform, allocator, cache."""

import contextlib
import ctypes
import os
import pathlib
import sys
import warnings

import jax
import jaxlib

from lstm_jax.errors import ConfigError
from lstm_jax.parallel import processes

_CACHE_BYTES = 2**30
_REPEAT = "--xla_gpu_deterministic_ops"

# JAX reads each of them from the environment. They change what is drawn from a
# key, or the type of an array.
_PINNED = {
  "jax_default_prng_impl": "threefry2x32",
  "jax_enable_custom_prng": False,
  "jax_enable_x64": False,
  "jax_high_dynamic_range_gumbel": False,
  "jax_legacy_prng_key": "allow",
  "jax_numpy_dtype_promotion": "standard",
  "jax_numpy_rank_promotion": "allow",
  "jax_random_seed_offset": 0,
  "jax_softmax_custom_jvp": False,
  "jax_threefry_gpu_kernel_lowering": False,
  "jax_threefry_partitionable": True,
}


def setup(
  platform: str = "",
  tune_allocator: bool = True,
  compilation_cache: str = "user",
  *,
  devices: int = 1,
  threads: int = 0,
):
  """Sets up JAX for a training or evaluation process.

  Args:
    platform: "cpu", "gpu", "tpu", or "" for the best there is.
    tune_allocator: see `tune_glibc`.
    compilation_cache: see `use_compilation_cache`.
    devices: of a CPU, to split batches over. More than one takes the threads
      from the single products, so that it is for layers too small to use them.
      Accelerators are not concerned.
    threads: of the CPU; 0 is one a core.

  Raises:
    ConfigError: the platform is not available here.
  """
  if threads:
    os.environ["NPROC"] = str(threads)  # read by XLA's thread pools
  if devices > 1 or processes.process_count() > 1:
    _add_xla_flags(f"--xla_force_host_platform_device_count={max(devices, 1)}")
  if devices > 1:
    _add_xla_flags("--xla_cpu_multi_thread_eigen=false")
  if tune_allocator:
    tune_glibc()
  repeat_on_gpu()
  if platform:
    # Asked for "gpu", JAX fails unless all makers' GPUs are there.
    jax.config.update("jax_platforms", None if platform == "gpu" else platform)
  use_compilation_cache(compilation_cache)
  pin_numbers()
  try:
    jax.devices()
  except (RuntimeError, AssertionError) as error:
    wanted = platform or os.environ.get("JAX_PLATFORMS") or "default"
    reason = (str(error).splitlines() or [""])[0]
    raise ConfigError(
      f'platform: "{wanted}" is not available here: {reason}'
    ) from None
  if platform == "gpu" and jax.default_backend() != "gpu":
    raise ConfigError(
      f'platform: "gpu" is not available here: JAX has {jax.default_backend()}'
      " alone; an NVIDIA GPU takes its driver and jax[cuda13]"
    )


def pin_numbers():
  """The same seed draws the same numbers, whatever the environment says."""
  for name, value in _PINNED.items():
    jax.config.update(name, value)


def xla_flags() -> list[str]:
  """The flags of XLA_FLAGS, which are its text or those of a file it names.

  Raises:
    ConfigError: the file cannot be read.
  """
  text = os.environ.get("XLA_FLAGS", "").strip()
  if text and not text.startswith("-"):
    try:
      text = pathlib.Path(text).read_text("utf-8")
    except (OSError, ValueError) as error:
      reason = getattr(error, "strerror", None) or error
      raise ConfigError(
        f"XLA_FLAGS={text}: no flags, which begin with --, and no file of"
        f" them: {reason}"
      ) from None
  return text.split()


def with_xla_flags(*new: str) -> str:
  """XLA_FLAGS with these flags, in place of others of their names."""
  names = {flag.split("=")[0] for flag in new}
  kept = [flag for flag in xla_flags() if flag.split("=")[0] not in names]
  return " ".join([*kept, *new])


def _add_xla_flags(*new: str):
  """Sets flags of XLA, which reads them when the backend starts."""
  os.environ["XLA_FLAGS"] = with_xla_flags(*new)


def repeat_on_gpu():
  """Lets a GPU compute the same numbers each time, unless XLA_FLAGS says not.

  By default the gradient of an embedding is summed in any order there, and
  algorithms are chosen by how long they take at the start of the process.
  """
  if not any(flag.startswith(_REPEAT) for flag in xla_flags()):
    _add_xla_flags(f"{_REPEAT}=true")


def cores() -> int:
  """Cores that this process may use."""
  try:
    return len(os.sched_getaffinity(0))
  except AttributeError:  # macOS
    return os.cpu_count() or 1


def tune_glibc() -> bool:
  """Makes glibc's malloc keep large blocks instead of returning them.

  By default the kernel maps and zeroes each large array anew, which takes a
  good part of a training step on CPU. Where the C library is not glibc, it does
  nothing and returns False.
  """
  if not sys.platform.startswith("linux"):
    return False
  try:
    mallopt = ctypes.CDLL("libc.so.6").mallopt
  except (OSError, AttributeError):
    return False
  settings = (
    (-4, 0),  # M_MMAP_MAX: no mmap for large blocks
    (-1, 2**31 - 1),  # M_TRIM_THRESHOLD: do not give memory back
    (-2, 2**28),  # M_TOP_PAD: grow the heap in large steps
    (-8, 1),  # M_ARENA_MAX: one heap, which all threads reuse
  )
  return all(mallopt(name, value) for name, value in settings)


def use_compilation_cache(directory: str = "user"):
  """Keeps compiled programs on disk, at most 1 GiB of them.

  Args:
    directory: "user" for the user's cache directory, or what JAX's variables
      say where they are set; "" for none; else a path.
  """
  if not directory:
    jax.config.update("jax_enable_compilation_cache", False)
    return
  theirs = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")
  if directory == "user" and (
    os.environ.get(theirs[0])
    or (theirs[1] in os.environ and not jax.config.jax_enable_compilation_cache)
  ):
    return  # JAX has read them
  try:
    if directory == "user":
      caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
      directory = os.path.join(caches, "lstm_jax")
    path = pathlib.Path(directory).expanduser()
    path = path / f"jaxlib-{jaxlib.__version__}"
    str(path).encode()  # JAX takes no path of other bytes
    path.mkdir(parents=True, exist_ok=True)
    (path / ".lockfile").open("a").close()  # JAX's own; shows that we may write
  except (OSError, RuntimeError, ValueError) as error:
    print(
      f"compilation cache: {directory} cannot be used"
      f" ({getattr(error, 'strerror', None) or error}); going on without",
      file=sys.stderr,
    )
    jax.config.update("jax_enable_compilation_cache", False)
    return
  jax.config.update("jax_enable_compilation_cache", True)
  jax.config.update("jax_compilation_cache_dir", str(path))
  for name, value in (
    # This limit also turns on the lock that lets processes share the cache.
    ("jax_compilation_cache_max_size", _CACHE_BYTES),
    ("jax_persistent_cache_min_compile_time_secs", 0.2),
  ):
    if name.upper() not in os.environ:
      jax.config.update(name, value)
  _replace_torn_entries(path)


def _replace_torn_entries(path: pathlib.Path):
  """Empties the cache when JAX warns that an entry cannot be read.

  JAX compiles such a program again but never overwrites its entry, so that the
  warning would come back for ever.
  """
  show_others = warnings.showwarning

  def showwarning(message, *place, **options):
    text = str(message)
    if "reading persistent compilation cache entry" not in text:
      show_others(message, *place, **options)
    elif "Timeout" in text or "PermissionError" in text:
      return  # a busy cache; the program is compiled again, and that is all
    else:
      for entry in path.glob("*-cache"):
        with contextlib.suppress(OSError):
          entry.unlink()
      print(
        f"compilation cache: a damaged entry in {path}; emptied",
        file=sys.stderr,
      )

  warnings.showwarning = showwarning
