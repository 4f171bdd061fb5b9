"""The launcher ray: the same runs as of any other, on a Ray of this machine."""

import pytest
from helpers import run_process

from experiments.sweep import main
from lstm_jax.errors import ConfigError
from lstm_jax.run.status import read_curve, read_state

BASE = ("--config=configs/adding.py:tiny", "--config.train.stop.name=never")
SWEEP = "from lstm_jax.config.sweeps import *\ndef get_sweep():\n  return "
SEEDS = SWEEP + 'grid({"train.seed": [0, 1]})\n'
RATES = SWEEP + (
  'SearchSpace({"optimizer.learning_rate": Uniform(1e-7, 1e-1, log=True)},'
  " trials=3)\n"
)


def words(tmp_path, sweep, name):
  (tmp_path / "sweep.py").write_text(sweep)
  return [*BASE, f"--sweep={tmp_path}/sweep.py", f"--workdir={tmp_path}/{name}"]


def test_an_address_is_for_ray(tmp_path):
  more = words(tmp_path, SEEDS, "runs")
  for launcher in ("local", "optuna"):
    with pytest.raises(ConfigError, match="--ray_address: it is for --launche"):
      main(["sweep", *more, f"--launcher={launcher}", "--ray_address=auto"])


@pytest.mark.filterwarnings("ignore")  # Ray's own
@pytest.mark.parametrize(
  "address, message",
  [
    ("localhost:1", "Connection refused"),
    ("somewhere", "Invalid address format: somewhere"),
  ],
)
def test_a_cluster_that_is_not_there(address, message):
  pytest.importorskip("ray.tune", exc_type=ImportError)
  from experiments.launchers import ray_cluster

  with pytest.raises(
    ConfigError, match=f"--ray_address={address}: .*{message}"
  ):
    ray_cluster._connect(address, 0)


@pytest.mark.slow
def test_ray_trains_the_same_runs(tmp_path):
  pytest.importorskip("ray.tune", exc_type=ImportError)
  for launcher in ("ray", "local"):
    more = words(tmp_path, SEEDS, launcher)
    run_process("experiments.sweep", *more, f"--launcher={launcher}")
  tables = [tmp_path / name / "summary.csv" for name in ("ray", "local")]
  rows = tables[0].read_text().splitlines()
  assert rows == tables[1].read_text().splitlines() and len(rows) == 3


@pytest.mark.slow
def test_ray_stops_what_lags_behind(tmp_path):
  pytest.importorskip("ray.tune", exc_type=ImportError)
  command = [*words(tmp_path, RATES, "runs"), "--launcher=ray", "--workers=1"]
  command += ["--config.train.steps=400", "--config.train.validate_every=40"]
  printed = run_process("experiments.sweep", *command)
  runs = sorted((tmp_path / "runs").glob("learning_rate=*"))
  states = [read_state(run) for run in runs]
  assert printed.count("lags behind") == states.count("stopped") > 0
  assert states.count("finished") == 3 - states.count("stopped") > 0
  curves = list(map(read_curve, runs))
  # The same command finds the same, without more training.
  printed = run_process("experiments.sweep", *command)
  assert printed.count("lags behind") == states.count("stopped")
  assert list(map(read_curve, runs)) == curves
