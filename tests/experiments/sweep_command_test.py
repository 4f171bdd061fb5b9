"""The command sweep, as a process: what it trains, skips and resumes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import REPOSITORY, Child, run_process

from experiments.sweep import load_sweep, main
from lstm_jax.config.sweeps import SearchSpace
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run.status import read_status

SWEEP = """
from lstm_jax.config.sweeps import grid
def get_sweep():
  return grid({"optimizer.learning_rate": [0.01, 1e-3], "train.seed": [0, 1]})
"""


@pytest.fixture
def sweep_words(tmp_path):
  (tmp_path / "sweep.py").write_text(SWEEP)
  return [
    "--config=configs/adding.py:tiny",
    f"--sweep={tmp_path}/sweep.py",
    f"--workdir={tmp_path}/runs",
    "--config.train.stop.name=never",
  ]


def starts(path):
  return json.loads((path / "run.json").read_text())["starts"]


def test_dry_run_prints_commands(sweep_words, tmp_path):
  printed = run_process("experiments.sweep", *sweep_words, "--dry_run")
  lines = printed.splitlines()
  assert len(lines) == 4 and not (tmp_path / "runs").exists()
  assert lines[1] == (
    "python -m experiments.train --config=configs/adding.py:tiny"
    f" --workdir={tmp_path}/runs/learning_rate=0.01,seed=1"
    " --config.train.stop.name=never --config.optimizer.learning_rate=0.01"
    " --config.train.seed=1"
  )


@pytest.mark.slow
def test_local(sweep_words, tmp_path):
  shard = run_process("experiments.sweep", *sweep_words, "--shard=2/4")
  assert "3 not started, 1 finished" in shard
  printed = run_process("experiments.sweep", *sweep_words)
  assert "1 of 4 runs are finished already" in printed
  assert "\n4 finished\n" in printed and "over seeds" in printed
  folders = [p for p in (tmp_path / "runs").iterdir() if "seed" in p.name]
  assert len(folders) == 4
  assert all(len(starts(folder)) == 1 for folder in folders)
  again = run_process("experiments.sweep", *sweep_words, "--dry_run")
  assert again == ""
  plotted = run_process("experiments.plot", f"{tmp_path}/runs")
  assert "4 finished" in plotted and "learning_curves.png" in plotted


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_launcher_goes_on(sweep_words, tmp_path, number):
  words = [
    *sweep_words,
    "--config.train.steps=4000",
    "--config.train.validate_every=1000",
    "--config.run.save_every=200",
    "--config.run.log_every=200",
  ]
  command = [sys.executable, "-m", "experiments.sweep", *words]
  runs = tmp_path / "runs"
  launcher = Child(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
  deadline = time.monotonic() + 500
  while len({p.parent for p in runs.glob("*/checkpoints/*00")}) < 2:
    assert time.monotonic() < deadline and launcher.poll() is None
    time.sleep(0.1)
  os.kill(launcher.pid, number)
  code = launcher.wait()
  assert code == (75 if number == signal.SIGTERM else -signal.SIGKILL)
  printed = run_process("experiments.sweep", *words)
  assert "\n4 finished\n" in printed
  resumed = [
    path.name
    for path in runs.glob("*seed=*")
    if path.is_dir() and len(starts(path)) == 2
  ]
  assert resumed  # one may have finished before the other was stopped
  for path in runs.glob("*seed=*"):
    assert read_status(path).step == 4000
  # They were stopped at a checkpoint and lost none of their updates.
  for name in resumed:
    first, second = starts(runs / name)
    assert second["from_step"] >= 200


def test_a_search_needs_a_space(tmp_path):
  assert isinstance(load_sweep("configs/sweeps/adding_search.py"), SearchSpace)
  words = ["--config=configs/adding.py:tiny", f"--workdir={tmp_path}/runs"]
  with pytest.raises(ConfigError, match="needs a SearchSpace"):
    main(
      [
        *("sweep", *words, "--sweep=configs/sweeps/adding_rates.py"),
        "--launcher=optuna",
      ]
    )


@pytest.mark.parametrize(
  "package, module", [("optuna", "optuna_search"), ("ray", "ray_cluster")]
)
def test_a_launcher_whose_package_is_missing(
  tmp_path, monkeypatch, package, module
):
  monkeypatch.setitem(sys.modules, package, None)
  monkeypatch.delitem(sys.modules, f"experiments.launchers.{module}", False)
  words = ["--config=configs/adding.py:tiny", f"--workdir={tmp_path}/runs"]
  words += ["--sweep=configs/sweeps/adding_search.py"]
  with pytest.raises(ConfigError, match=f"{package}: it is not installed; pip"):
    main(["sweep", *words, f"--launcher={package}"])


def test_a_directory_that_cannot_be_made(tmp_path):
  (tmp_path / "file").write_text("")
  words = ["--config=configs/adding.py:tiny", f"--workdir={tmp_path}/file"]
  words += ["--sweep=configs/sweeps/adding_rates.py"]
  with pytest.raises(RunError, match="file: cannot be made: File exists"):
    main(["sweep", *words])
