"""Process set-up, done before the first array: platform, allocator, cache."""

import ctypes
import os
import pathlib
import sys
import warnings

import jax
import jaxlib

from lstm_jax.errors import ConfigError

_CACHE_BYTES = 2**30


def setup(
  platform: str = "",
  tune_allocator: bool = True,
  compilation_cache: str = "user",
):
  """Sets up JAX for a training or evaluation process.

  Args:
    platform: "cpu", "gpu", "tpu", or "" for the best there is.
    tune_allocator: see `tune_glibc`.
    compilation_cache: see `use_compilation_cache`.

  Raises:
    ConfigError: the platform is not available here.
  """
  if tune_allocator:
    tune_glibc()
  if platform:
    jax.config.update("jax_platforms", platform)
  use_compilation_cache(compilation_cache)
  try:
    jax.devices()
  except RuntimeError as error:
    reason = str(error).splitlines()[0]
    raise ConfigError(
      f'run.platform: "{platform or "default"}" is not available: {reason}'
    ) from None


def tune_glibc() -> bool:
  """Makes glibc's malloc keep large blocks instead of returning them.

  By default each large array is mapped and zeroed by the kernel anew. Without
  that, LSTM training on CPU is up to 1.7 times faster. Does nothing, and
  returns False, where the C library is not glibc.
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
    directory: "user" for the user's cache directory, "" for none, else a path.
  """
  if not directory:
    jax.config.update("jax_enable_compilation_cache", False)
    return
  if directory == "user":
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    path = pathlib.Path(base).expanduser() / "lstm_jax"
  else:
    path = pathlib.Path(directory).expanduser()
  path = path / f"jaxlib-{jaxlib.__version__}"
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    print(
      f"compilation cache: {path} cannot be made ({error.strerror}); going on"
      " without",
      file=sys.stderr,
    )
    return
  jax.config.update("jax_compilation_cache_dir", str(path))
  # A size limit also turns on the lock that lets processes share the cache.
  jax.config.update("jax_compilation_cache_max_size", _CACHE_BYTES)
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
  _replace_torn_entries(path)


def _replace_torn_entries(path: pathlib.Path):
  """Empties the cache when JAX warns that an entry cannot be read.

  JAX compiles such a program again but never overwrites its entry, so that the
  warning would come back for ever.
  """
  show = warnings.showwarning

  def showwarning(message, category, filename, lineno, file=None, line=None):
    if "reading persistent compilation cache entry" not in str(message):
      show(message, category, filename, lineno, file, line)
      return
    for entry in path.glob("*-cache"):
      entry.unlink(missing_ok=True)
    print(
      f"compilation cache: a damaged entry in {path}; emptied", file=sys.stderr
    )

  warnings.showwarning = showwarning
