"""The command lstm-jax, in this process and as a wheel installs it."""

import importlib
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import sysconfig

import pytest

from experiments import command_line, console
from experiments.command_line import load_config_file

ROOT = pathlib.Path(__file__).parent.parent.parent

# A thesis whose folders have the names of ours.
THESIS = {
  "my_config.py": """
import my_neighbour
from configs._recipes import sequence_recipe
from configs.my_steps import STEPS
from experiments.my_sizes import HIDDEN
from lstm_jax.tasks.adding import AddingConfig

def get_config():
  task = AddingConfig(length=my_neighbour.LENGTH)
  config = sequence_recipe("tiny", {"tiny": task}, hidden_size=HIDDEN, steps=10)
  config.train.steps, config.train.stop.name = STEPS, "never"
  return config
""",
  "my_sweep.py": """
from lstm_jax.config.sweeps import grid

def get_sweep():
  return grid({"train.seed": [7]})
""",
  "my_neighbour.py": "LENGTH = 12",
  "configs/__init__.py": "",
  "configs/my_steps.py": "STEPS = 20",
  "experiments/__init__.py": "",
  "experiments/my_sizes.py": "HIDDEN = 6",
}


@pytest.fixture
def thesis(tmp_path):
  for name, text in THESIS.items():
    path = tmp_path / "thesis" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
  return tmp_path / "thesis"


def test_help_says_in_a_line_what_each_command_does(capsys):
  assert console.main(["lstm-jax", "--help"]) == 0
  text = capsys.readouterr().out
  for name in console.COMMANDS:
    assert re.search(rf"^  {name} +\w.{{20,}}$", text, re.MULTILINE)
  assert max(map(len, text.splitlines())) <= 80


def test_every_module_that_is_a_command_is_listed():
  files = (ROOT / "experiments").glob("*.py")
  commands = [f.stem for f in files if "__main__" in f.read_text()]
  assert sorted(commands) == sorted(console.COMMANDS)


@pytest.mark.parametrize(
  "words, message",
  [
    (["trian"], 'error: no command "trian"; did you mean "train"?\n'),
    (["gradient-flow"], 'no command "gradient-flow"; did you mean "gradient_f'),
    (["xyz"], 'no command "xyz"; known: train, evaluate, baselines, gener'),
    (["--config=a.py"], 'no command "--config=a.py"; known: train, evaluate'),
    ([], "error: a command is missing; known: train, evaluate, baselines, g"),
  ],
)
def test_what_is_no_command_is_one_clear_line(words, message, capsys):
  assert console.main(["lstm-jax", *words]) == 2
  text = capsys.readouterr().err
  assert message in text
  assert text.count("\n") == 1


def test_a_command_gets_the_words_after_its_name(monkeypatch):
  called = []
  monkeypatch.setattr(sys, "argv", ["bin/lstm-jax", "runs", "DIR", "--json"])
  monkeypatch.setattr(
    command_line, "run_command", lambda main: called.append((main, sys.argv))
  )
  console.main(sys.argv)
  runs = importlib.import_module("experiments.runs")
  assert called == [(runs.main, ["bin/lstm-jax runs", "DIR", "--json"])]


@pytest.mark.parametrize(
  "program, words",
  [
    ("bin/lstm-jax train", "lstm-jax train"),
    ("/some where/lstm-jax train", "lstm-jax train"),
    ("lstm-jax sweep", "lstm-jax train"),
    ("/x/experiments/train.py", "python -m experiments.train"),
    ("train", "python -m experiments.train"),
  ],
)
def test_a_command_is_recorded_as_it_can_be_typed_again(program, words):
  argv = [program, "--config=a b.py", "--workdir=runs/x"]
  typed = console.typed_command("train", argv)
  assert typed == f"{words} '--config=a b.py' --workdir=runs/x"


def test_a_packaged_config_is_found_from_any_folder(tmp_path, monkeypatch):
  there = load_config_file("configs/adding.py:tiny")
  monkeypatch.chdir(tmp_path)
  assert load_config_file("configs/adding.py:tiny") == there


def test_a_config_of_the_current_directory_comes_before(tmp_path, monkeypatch):
  (tmp_path / "configs").mkdir()
  text = (ROOT / "configs" / "adding.py").read_text()
  file = tmp_path / "configs" / "adding.py"
  file.write_text(text.replace("length=20", "length=21"))
  monkeypatch.chdir(tmp_path)
  assert load_config_file("configs/adding.py:tiny").task.length == 21


def test_a_config_imports_what_is_beside_it_and_what_is_ours(thesis):
  program = """
from experiments import console
from lstm_jax.config import user_file
console.join_current_directory()
config = user_file.call_in_file("my_config.py", "get_config", "config", "")
print(config.task.length, config.train.steps, config.model.hidden_sizes)
import experiments.curves
"""
  output = subprocess.run(
    [sys.executable, "-P", "-c", program],
    cwd=thesis,
    env=os.environ | {"PYTHONPATH": str(ROOT)},
    check=True,
    capture_output=True,
    text=True,
  ).stdout
  assert output == "12 20 (8,)\n"  # a tiny one has 8 units


@pytest.mark.slow
def test_the_wheel_trains_and_sweeps_outside_the_repository(thesis, tmp_path):
  if not importlib.util.find_spec("hatchling"):
    pytest.skip("hatchling, which builds the wheel, is missing")

  def run(*words, folder=thesis) -> str:
    return subprocess.run(
      list(map(str, words)),
      cwd=folder,
      check=True,
      stdout=subprocess.PIPE,
      text=True,
    ).stdout

  python = tmp_path / "venv" / "bin" / "python"
  hatch = (sys.executable, "-m", "hatchling", "build", "-t", "wheel")
  run(*hatch, "-d", tmp_path, folder=ROOT)
  (wheel,) = tmp_path.glob("*.whl")
  run(sys.executable, "-m", "venv", tmp_path / "venv")
  run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
  # What it depends on is that of the tests.
  show = "import sysconfig; print(sysconfig.get_path('purelib'))"
  packages = pathlib.Path(run(python, "-c", show).strip())
  (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))

  lstm_jax = tmp_path / "venv" / "bin" / "lstm-jax"
  where = "import lstm_jax; print(lstm_jax.__file__)"
  assert run(python, "-c", where).startswith(str(packages))
  assert (packages / "lstm_jax" / "py.typed").exists()
  config = "--config=my_config.py"
  run(lstm_jax, "train", config, "--workdir=runs/one")
  assert "best" in run(lstm_jax, "runs", "runs/one")
  sweep = "--sweep=my_sweep.py"
  assert "1 finished" in run(
    *(lstm_jax, "sweep", config, sweep, "--workdir=runs/sweep")
  )
  assert list((thesis / "runs" / "sweep").glob("*/metrics.jsonl"))
