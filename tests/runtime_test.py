"""Process set-up: the compilation cache, the platform, the allocator."""

import os
import pathlib
import subprocess
import sys

import pytest
from conftest import REPOSITORY

from lstm_jax import runtime
from lstm_jax.errors import ConfigError

PROGRAM = """
import sys
from lstm_jax import runtime
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


@pytest.mark.parametrize("place", ["/proc/nowhere", "~nosuchuser/cache"])
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


def set_up(platform: str, **environment) -> subprocess.CompletedProcess:
  program = f'from lstm_jax import runtime; runtime.setup("{platform}", 0, "")'
  return subprocess.run(
    [sys.executable, "-c", program],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    env=os.environ | environment,
  )


@pytest.mark.skipif(os.environ["JAX_PLATFORMS"] != "cpu", reason="a GPU")
@pytest.mark.parametrize("platform", ["tpu", "gpu"])
def test_a_platform_that_is_not_there(platform):
  done = set_up(platform, JAX_PLATFORMS="", CUDA_VISIBLE_DEVICES="")
  last = done.stderr.splitlines()[-1]
  assert ConfigError.__name__ in last
  assert f'platform: "{platform}" is not available here' in last


def test_the_allocator_is_tuned_where_there_is_glibc():
  assert runtime.tune_glibc() in (True, False)
  if "glibc" in str(os.confstr("CS_GNU_LIBC_VERSION")):
    assert runtime.tune_glibc()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_are_limited():
  program = """
import glob, sys
from lstm_jax import runtime
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
