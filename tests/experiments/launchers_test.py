"""Training processes of sweeps, their places, and points as trials of one
program."""

import json
import pathlib
import subprocess
import sys
import time

import pytest
from helpers import run_process

from experiments.command_line import parse_config
from experiments.launchers import child, local, vmap
from experiments.launchers.child import Place
from experiments.sweep import plan_sweep
from lstm_jax.config.sweeps import grid

# JAX, which warns of forks, is only in the tests' process.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork")

BASE = ["--config=configs/adding.py:tiny"]
RATE, SEED = "optimizer.learning_rate", "train.seed"


def joined(points):
  config = parse_config(["sweep", *BASE])
  entries, _ = plan_sweep(pathlib.Path("w"), BASE, config, points)
  return vmap.join_points(pathlib.Path("w"), BASE, config, entries)


def test_points_become_trials():
  points = grid(
    {"model.hidden_sizes": [(4,), (8,)], RATE: [0.01, 0.1], SEED: [3, 5]}
  )
  entries, jobs = joined(points)
  assert [job.name for job in jobs] == [
    "hidden_sizes=4,trials=4",
    "hidden_sizes=8,trials=4",
  ]
  assert [e.trial for e in entries] == [0, 1, 2, 3] * 2
  assert [e.overrides for e in entries] == points
  train = parse_config(["sweep", *jobs[1].words]).train
  assert train.trials == 4 and train.trial_seeds == (3, 5, 3, 5)
  assert train.trial_learning_rates == (0.01, 0.01, 0.1, 0.1)


def test_a_point_alone_is_a_run():
  entries, jobs = joined(grid({SEED: [7]}))
  config = parse_config(["sweep", *jobs[0].words])
  assert config.train.seed == 7 and config.train.trials == 1
  assert entries[0].trial is None


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_a_training_process_blocks_no_signals():
  inner = "import signal as s; print(s.pthread_sigmask(s.SIG_BLOCK, []))"
  # In a process without JAX, which warns of forks.
  outer = (
    "import signal, subprocess, sys\n"
    "from experiments.launchers import child\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, child.SIGNALS)\n"
    "subprocess.run([sys.executable, '-c', sys.argv[1]],"
    " preexec_fn=child._make_prepare(None))\n"
  )
  printed = subprocess.check_output(
    [sys.executable, "-c", outer, inner], text=True
  )
  assert printed == "set()\n"


@pytest.mark.slow
def test_vmap_trains_them(tmp_path):
  sweep = tmp_path / "sweep.py"
  sweep.write_text(
    "from lstm_jax.config.sweeps import grid\n"
    "def get_sweep():\n"
    '  return grid({"train.seed": [2, 0], "optimizer.learning_rate": [0.01, 0.1'
    "]})\n"
  )
  words = [f"--sweep={sweep}", "--config.train.stop.name=never"]
  both = [
    run_process(
      "experiments.sweep",
      *BASE,
      *words,
      f"--workdir={tmp_path}/{launcher}",
      f"--launcher={launcher}",
    )
    for launcher in ("vmap", "local")
  ]
  # Trial k is the run of its point, to rounding.
  best = [
    {
      cells[0]: float(cells[2])  # setting, seeds, best
      for cells in map(str.split, text.splitlines())
      if cells[1:2] == ["2"] and cells[0].startswith("learning_rate=")
    }
    for text in both
  ]
  assert len(best[0]) == 2 and best[0] == pytest.approx(best[1], rel=1e-3)
  records = json.loads(
    (tmp_path / "vmap/default,trials=4/trials.json").read_text()
  )
  assert [r["seed"] for r in records] == [2, 2, 0, 0]


class Sleep:
  """A job that is slow to import."""

  def __init__(self, folder, shield=False):
    self.log, self._shield = folder / "logs/job.txt", shield

  def command(self):
    ignore = "import signal; signal.signal(15, signal.SIG_IGN); " * self._shield
    return [
      *("python", "-c"),
      f"{ignore}import time; print(1, flush=True); time.sleep(60)",
    ]


@pytest.mark.parametrize("shield, code", [(False, -15), (True, -9)])
def test_a_process_stopped_before_it_can_save(tmp_path, shield, code):
  job = Sleep(tmp_path, shield)
  process = child.Child(job, Place())
  while not job.log.read_text():
    time.sleep(0.01)
  process.stop()
  if shield:  # a batch system that does not wait
    process._process.kill()
  assert process.wait() == code
  assert child.is_saved(code, stopped=True)
  assert child.is_saved(code) == (not shield)
  assert child.failure(job) == ""


def test_a_process_that_is_killed_has_failed(tmp_path):
  job = Sleep(tmp_path)
  process = child.Child(job, Place())
  process._process.kill()
  assert process.wait() == -9
  assert child.failure(job) == "killed by SIGKILL"


@pytest.mark.parametrize(
  "visible, seen",
  [
    ("0,1", ["0", "1"]),
    (" 2 , 5", ["2", "5"]),
    ("", []),
    ("-1", []),
    ("1,-1,2", ["1"]),
    ("NoDevFiles", []),
    ("GPU-8f2a,MIG-3c", ["GPU-8f2a", "MIG-3c"]),
  ],
)
def test_the_gpus_that_cuda_shows(monkeypatch, visible, seen):
  monkeypatch.setattr(
    local.importlib.util, "find_spec", lambda name: "cuda13" in name or None
  )
  monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
  found = [
    dict(place)["CUDA_VISIBLE_DEVICES"] for place in local.accelerators()
  ]
  assert found == seen
