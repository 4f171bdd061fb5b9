"""Imports run one way, and importing starts nothing."""

import ast
import graphlib
import pathlib
import re
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
# What serves every application, and knows none of them.
GENERIC = ("training", "evaluation", "run", "search")
APPLICATIONS = re.compile(
  "translat(e|ion)|tagging|caption|speech|handwriting|genom|video",
  re.IGNORECASE,
)
# Where its paper is called so.
PAPERS = "Google's neural machine translation system"


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


def generic_files():
  for folder in (*(PACKAGE / name for name in GENERIC), ROOT / "experiments"):
    yield from sorted(folder.rglob("*.py"))


def test_what_serves_every_application_imports_none():
  allowed = {
    "tasks": {"base", "registry"},
    # the baselines read windows of inputs as the window model does
    "models": {"base", "cell_options", "config", "registry", "window"},
  }
  for path in generic_files():
    if path.name == "gradient_flow.py" and "experiments" in path.parts:
      continue  # it is about the adding task
    for target in imported(path):
      top, wing, module, *_ = *target.split("."), "", ""
      if top == "lstm_jax" and module:
        assert module in allowed.get(wing, {module}), (path, target)


def test_what_serves_every_application_names_none():
  for path in generic_files():
    text = path.read_text().replace(PAPERS, "")
    assert not (found := APPLICATIONS.search(text)), (path, found)


def test_messages_of_the_library_name_no_flag_and_no_command():
  """Whoever calls it from Python has none; commands say how to set a field."""
  others = "--(xla_|porcelain)"  # of XLA and of git
  for name, path in modules():
    if name == "config.sweeps":
      continue  # which makes the words of a command line
    tree = list(ast.walk(ast.parse(path.read_text())))
    documents = {node.value for node in tree if isinstance(node, ast.Expr)}
    for node in tree:
      text = getattr(node, "value", None)
      if isinstance(node, ast.Constant) and isinstance(text, str):
        text = re.sub(others, "", text)
        found = re.search(r"(?<![\w-])--[a-z]|python -m", text)
        assert node in documents or not found, (path, text)


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
    and (
      path.parent.name != "launchers"
      or path.stem not in ("optuna_search", "ray_cluster")
    )
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
