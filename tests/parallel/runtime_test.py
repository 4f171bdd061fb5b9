"""Process set-up: the compilation cache, the platform, the allocator."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest
from helpers import REPOSITORY, set_up_runtime

from experiments.launchers import child
from lstm_jax.errors import ConfigError, out_of_memory
from lstm_jax.parallel import runtime

PROGRAM = """
import sys
from lstm_jax.parallel import runtime
runtime.setup("cpu", True, sys.argv[1])
import jax, jax.numpy as jnp
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(float(jax.jit(lambda x: jnp.sin(x) + 1)(0.0)))
"""


def start(cache, **environment) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, "-c", PROGRAM, str(cache)],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    env=os.environ | environment,
  )


def entries(cache: pathlib.Path) -> list[pathlib.Path]:
  return sorted(cache.glob("jaxlib-*/*-cache"))


def test_a_torn_entry_is_replaced_with_one_line(tmp_path):
  assert start(tmp_path).stderr == ""
  whole = {path.name: path.stat().st_size for path in entries(tmp_path)}
  assert whole
  for path in entries(tmp_path):
    path.write_bytes(path.read_bytes()[:20])
  torn = start(tmp_path)
  assert torn.stdout == "1.0\n"
  assert len(torn.stderr.splitlines()) == 1
  assert "a damaged entry" in torn.stderr
  assert {p.name: p.stat().st_size for p in entries(tmp_path)} == whole
  assert start(tmp_path).stderr == ""


@pytest.mark.parametrize(
  "place", ["/proc/nowhere", "~nosuchuser/cache", "\udce9"]
)
def test_a_cache_that_cannot_be_is_done_without(place):
  done = start(place)
  assert done.stdout == "1.0\n"
  assert len(done.stderr.splitlines()) == 1
  assert "cannot be used" in done.stderr and "going on without" in done.stderr


def test_no_cache(tmp_path):
  assert start("", XDG_CACHE_HOME=str(tmp_path)).stderr == ""
  assert list(tmp_path.iterdir()) == []


def test_the_users_cache_follows_the_environment(tmp_path):
  start("user", XDG_CACHE_HOME=str(tmp_path))
  assert entries(tmp_path / "lstm_jax")


@pytest.mark.skipif(os.environ["JAX_PLATFORMS"] != "cpu", reason="a GPU")
@pytest.mark.parametrize("platform", ["tpu", "gpu"])
def test_a_platform_that_is_not_there(platform):
  done = set_up_runtime(platform, JAX_PLATFORMS="", CUDA_VISIBLE_DEVICES="")
  last = done.stderr.splitlines()[-1]
  assert ConfigError.__name__ in last
  assert f'platform: "{platform}" is not available here' in last


def test_the_allocator_is_tuned_where_there_is_glibc():
  assert runtime.tune_glibc() in (True, False)
  if "glibc" in str(os.confstr("CS_GNU_LIBC_VERSION")):
    assert runtime.tune_glibc()


@pytest.fixture
def xla_flags(monkeypatch):
  def set_to(text):
    monkeypatch.setenv("XLA_FLAGS", str(text))

  return set_to


def test_flags_of_xla_may_stand_in_a_file(tmp_path, xla_flags):
  path = tmp_path / "flags of mine.txt"
  path.write_text("--xla_a=1\n--xla_gpu_deterministic_ops=false --xla_b=2\n")
  for text in (path, "--xla_a=1 --xla_gpu_deterministic_ops=false --xla_b=2"):
    xla_flags(text)
    runtime.repeat_on_gpu()  # leaves the user's own
    runtime._add_xla_flags("--xla_b=3")
    assert os.environ["XLA_FLAGS"] == (
      "--xla_a=1 --xla_gpu_deterministic_ops=false --xla_b=3"
    )
    xla_flags(text)
    threads = child._threads(frozenset([0]))["XLA_FLAGS"].split()
    assert threads[0] == "--xla_a=1" and len(threads) == 4
  xla_flags(tmp_path / "none")
  with pytest.raises(ConfigError, match="^XLA_FLAGS=.*/none: .*no file of th"):
    runtime.repeat_on_gpu()
  xla_flags("")
  runtime.repeat_on_gpu()
  assert os.environ["XLA_FLAGS"] == "--xla_gpu_deterministic_ops=true"


def cache_settings(directory: str, **environment) -> list[str]:
  program = (
    "import jax\nfrom lstm_jax.parallel import runtime\n"
    f"runtime.use_compilation_cache({directory!r})\n"
    "print(jax.config.jax_compilation_cache_dir)\n"
    "print(jax.config.jax_enable_compilation_cache)\n"
    "print(jax.config.jax_compilation_cache_max_size)\n"
  )
  return subprocess.check_output(
    [sys.executable, "-c", program],
    cwd=REPOSITORY,
    text=True,
    env=os.environ | environment,
  ).split()


def test_what_jax_is_told_of_its_cache_is_kept(tmp_path):
  theirs = {"JAX_COMPILATION_CACHE_DIR": "/scratch/cache"}
  assert cache_settings("user", **theirs)[:2] == ["/scratch/cache", "True"]
  off = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
  assert cache_settings("user", **theirs, **off)[:2] == [
    *("/scratch/cache", "False")
  ]
  assert cache_settings("user", **off)[1] == "False"
  # run.compilation_cache says otherwise
  said = cache_settings(
    str(tmp_path), **theirs, JAX_COMPILATION_CACHE_MAX_SIZE="12345"
  )
  assert said == [str(next(tmp_path.iterdir())), "True", "12345"]
  assert cache_settings("", **theirs)[1] == "False"


@pytest.mark.parametrize(
  "error, told",
  [
    (RuntimeError("RESOURCE_EXHAUSTED: 12 GiB"), True),
    (RuntimeError("INTERNAL: Out of memory allocating 5 bytes"), True),
    (MemoryError(), True),
    (RuntimeError("INVALID_ARGUMENT: transfer: memory_kind=device"), False),
    (RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS: illegal memory access"), False),
  ],
)
def test_what_is_too_little_memory(error, told):
  text = out_of_memory(error)
  assert text.startswith("out of memory: ") == told
  assert bool(text) == told


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_are_limited():
  program = """
import glob, sys
from lstm_jax.parallel import runtime
runtime.setup("cpu", False, "", threads=int(sys.argv[1]))
import jax
jax.devices()
print(len(glob.glob("/proc/self/task/*")))
"""
  counts = [
    int(
      subprocess.run(
        [sys.executable, "-c", program, str(threads)],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        env=os.environ | {"XLA_FLAGS": ""},  # one device
      ).stdout
    )
    for threads in (1, 4)
  ]
  assert counts[1] >= counts[0] + 3, counts


DRAWS = """
from lstm_jax.parallel import runtime
runtime.setup("cpu", False, "")
import jax, jax.numpy as jnp
from lstm_jax.run import surroundings
key = jax.random.key(3)
drawn = jax.random.categorical(key, jnp.arange(8.0), shape=(20,))
print(jax.random.normal(key, (3,)) + jnp.ones(3, jnp.int32), drawn)
print(jax.nn.softmax(jnp.arange(3.0)).dtype, jax.random.PRNGKey(0))
print(surroundings.jax_settings())
"""


def draws(**environment) -> list[str]:
  done = subprocess.run(
    [sys.executable, "-c", DRAWS],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    check=True,
    env=os.environ | {"XLA_FLAGS": ""} | environment,
  )
  return done.stdout.splitlines()


def test_the_environment_changes_no_draw():
  usual = draws()
  assert usual[-1] == "{}"
  assert usual == draws(
    JAX_DEFAULT_PRNG_IMPL="rbg",
    JAX_ENABLE_CUSTOM_PRNG="1",
    JAX_ENABLE_X64="1",
    JAX_HIGH_DYNAMIC_RANGE_GUMBEL="1",
    JAX_LEGACY_PRNG_KEY="error",
    JAX_NUMPY_DTYPE_PROMOTION="strict",
    JAX_NUMPY_RANK_PROMOTION="raise",
    JAX_RANDOM_SEED_OFFSET="7",
    JAX_SOFTMAX_CUSTOM_JVP="1",
    JAX_THREEFRY_PARTITIONABLE="0",
  )
  assert usual != draws(JAX_DEFAULT_MATMUL_PRECISION="bfloat16")


def test_what_is_left_to_the_user_is_recorded():
  settings = draws(
    JAX_DEFAULT_MATMUL_PRECISION="bfloat16",
    JAX_DISABLE_MOST_OPTIMIZATIONS="1",
    NVIDIA_TF32_OVERRIDE="0",
    XLA_FLAGS="--xla_cpu_enable_fast_math=true --xla_dump_to=/none"
    " --xla_cpu_multi_thread_eigen=false",
  )[-1]
  assert ast.literal_eval(settings) == {
    "jax_default_matmul_precision": "bfloat16",
    "jax_disable_most_optimizations": "True",
    "NVIDIA_TF32_OVERRIDE": "0",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
  }
