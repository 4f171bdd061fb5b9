"""Imports run one way, and importing starts nothing."""

import ast
import graphlib
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "lstm_jax"

# What a wing must never see.
FORBIDDEN = {
  "array_types": {"cells", "recurrence", "layers", "models", "run"},
  "cells": {"data", "metrics", "recurrence", "layers", "models", "tasks"},
  "data": {"cells", "recurrence", "layers", "models", "tasks", "training"},
  "tasks": {"cells", "layers", "models", "recurrence", "training", "run"},
  "recurrence": {"layers", "models", "tasks", "training", "run"},
  "layers": {"models", "tasks", "training", "run"},
  "models": {"training", "run"},
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


def test_library_imports_run_one_way():
  known = dict(modules())
  graph: dict[str, set[str]] = {}
  for name, path in known.items():
    graph[name] = set()
    for target in imported(path):
      top = target.split(".")[0]
      assert top not in ("experiments", "configs", "scripts", "tests")
      assert not target.startswith(("absl.flags", "absl.app"))
      if "orbax" in top:
        assert name == "checkpoints.checkpointing"
      target = target.removeprefix("lstm_jax.")
      if target in known and target != name:
        graph[name].add(target)
        wing = name.split(".")[0]
        assert target.split(".")[0] not in FORBIDDEN.get(wing, ()), name
  # A package's __init__ hands on what its modules define.
  packages = {n for n in known if (PACKAGE / n.replace(".", "/")).is_dir()}
  for name, targets in graph.items():
    if name.rpartition(".")[0] in packages:
      targets -= packages
  graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_only_experiments_and_scripts_parse_flags():
  for path in (ROOT / "configs").rglob("*.py"):
    tops = {target.split(".")[0] for target in imported(path)}
    assert tops - sys.stdlib_module_names <= {"lstm_jax", "configs"}, path


def test_tests_share_modules_and_import_no_other_test():
  for path in (ROOT / "tests").rglob("*.py"):
    for name in imported(path):
      module = name.split(".")[0]
      assert module != "conftest" and not module.endswith("_test"), path


def test_importing_everything_starts_no_backend():
  names = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("lstm_jax", "configs", "experiments", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "__init__.py"
    # a peer's file needs that peer
    and (path.parent.name != "peers" or path.name in ("ours.py", "problem.py"))
    # which need the packages of their names
    and (path.parent.name != "launchers" or path.stem not in ("optuna", "ray"))
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
from lstm_jax import (LSTM, LSTMState, Options, unroll, load_run, read_runs)
assert sorted(dir(lstm_jax)) == lstm_jax.__all__
try:
  lstm_jax.LTSM
except AttributeError as error:
  assert "LTSM" in str(error)
else:
  raise AssertionError
"""
  subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
