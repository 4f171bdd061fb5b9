"""Imports run one way, and importing starts nothing."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "lstm_jax"

# Each module may import those in its own layer's row and in the rows above.
LAYERS = [
  {
    *("argument_checks", "array_types", "causal_convolution", "errors"),
    *("files", "initializers", "run_lock", "short_repr", "time_chunks"),
    "trials_last",
  },
  {"processes"},
  {"runtime"},
  {"surroundings"},
  {"cells", "metrics", "data"},
  {
    *("recurrence", "recurrence_inputs", "recurrent_product"),
    *("weight_gradients", "scan", "cudnn"),
  },
  {"gradient_flow"},
  {"layers"},
  {
    *("models", "tasks"),
    *("training.averaging", "training.optimizers", "training.stopping"),
  },
  {"config", "config_checks"},
  {"training", "evaluation", "sampling", "run_directory", "sweeps"},
  {"run_status", "runs"},
  {"trained_run"},
  {"experiment"},
]
# Beyond the rows: what a module must never see.
FORBIDDEN = {
  "tasks": {"cells", "layers", "models", "recurrence", "scan", "cudnn"},
  "data": {"cells"},
  "cells": {"data", "metrics"},
}


def modules():
  for path in sorted(PACKAGE.rglob("*.py")):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    name = ".".join(p for p in parts if p != "__init__")
    if name:
      yield name, path


def imported(path) -> set[str]:
  names = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f"{path}: relative import"
      names.add(node.module)
      names |= {f"{node.module}.{alias.name}" for alias in node.names}
  return names


def layer(name: str) -> int:
  parts = name.split(".")
  for key in (".".join(parts[:2]), parts[0]):
    for number, row in enumerate(LAYERS):
      if key in row:
        return number
  raise AssertionError(f"lstm_jax.{name} has no place in LAYERS")


@pytest.mark.parametrize("name, path", list(modules()))
def test_library_imports_run_one_way(name, path):
  for target in imported(path):
    top = target.split(".")[0]
    assert top not in ("experiments", "configs", "scripts", "tests")
    assert not target.startswith(("absl.flags", "absl.app"))
    if "orbax" in top:
      assert name == "training.checkpointing"
    if not target.startswith("lstm_jax."):
      continue
    target = target.removeprefix("lstm_jax.")
    if not any(target == n or target.startswith(f"{n}.") for n, _ in modules()):
      continue
    assert layer(target) <= layer(name), f"{name} imports {target}"
    group = name.split(".")[0]
    assert target.split(".")[0] not in FORBIDDEN.get(group, ())


def test_only_experiments_and_scripts_parse_flags():
  for path in (ROOT / "configs").rglob("*.py"):
    tops = {target.split(".")[0] for target in imported(path)}
    assert tops - sys.stdlib_module_names <= {"lstm_jax", "configs"}, path


def test_importing_everything_starts_no_backend():
  names = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("lstm_jax", "configs", "experiments", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "__init__.py"
    # a peer's file needs that peer
    and (path.parent.name != "peers" or path.name in ("ours.py", "problem.py"))
  ]
  configs = [
    name
    for name in names
    if name.startswith("configs.")
    and not name.startswith(("configs._", "configs.sweeps."))
  ]
  program = f"""
import importlib
for name in {names!r}:
  importlib.import_module(name)
for name in {configs!r}:
  importlib.import_module(name).get_config()
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized()
"""
  subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_the_package_is_lazy():
  program = """
import sys, lstm_jax
assert "jax" not in sys.modules
from lstm_jax import LSTM, LSTMState, Options, unroll, load_run, read_runs
assert sorted(dir(lstm_jax)) == lstm_jax.__all__
try:
  lstm_jax.LTSM
except AttributeError as error:
  assert "LTSM" in str(error)
else:
  raise AssertionError
"""
  subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
