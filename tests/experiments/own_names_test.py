"""A config file that brings a cell and a task of its own: nothing of the
library is touched, and whatever reads the run knows them."""

import pytest
from helpers import run_process

from experiments.command_line import parse_config
from lstm_jax import load_run
from lstm_jax.cells.registry import CELLS
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run.directory import read_config, write_config
from lstm_jax.tasks.registry import TASKS

OWN = '''
import dataclasses

from configs import adding
from lstm_jax.cells.lstm import LSTM
from lstm_jax.cells.registry import CELLS
from lstm_jax.tasks.adding import AddingConfig
from lstm_jax.tasks.registry import TASKS


@dataclasses.dataclass(frozen=True)
class Leaky(LSTM):
  """Half of every state is lost."""

  def step(self, params, z, state, noise=None):
    state = LSTM.step(self, params, z, state, noise)
    return state._replace(h=state.h / 2)


@dataclasses.dataclass(slots=True)
class FarAddingConfig(AddingConfig):
  name: str = "far_adding"


CELLS["leaky"] = Leaky
TASKS["far_adding"] = FarAddingConfig


def get_config(variant="tiny"):
  config = adding.get_config(variant)
  task = dataclasses.asdict(config.task) | {"name": "far_adding"}
  config.task = FarAddingConfig(**task)
  config.model.cell = "leaky"
  config.train.stop.name = "never"
  return config
'''
SWEEP = """
from lstm_jax.config.sweeps import grid
def get_sweep():
  return grid({"model.cell": ["leaky", "lstm"]})
"""


@pytest.fixture
def own(tmp_path):
  """The config file; the names that it brings are gone when the test is."""
  before = [(registry, dict(registry)) for registry in (CELLS, TASKS)]
  path = tmp_path / "own.py"
  path.write_text(OWN)
  yield path
  for registry, known in before:
    registry.clear()
    registry.update(known)


def test_a_cell_and_a_task_of_ones_own(own, tmp_path):
  run = tmp_path / "run"
  words = (f"--config={own}", f"--workdir={run}")
  assert "leaky (8)" in run_process("experiments.train", *words)
  # Other processes: one goes on with it, one scores it without --config.
  printed = run_process("experiments.train", *words, "--extend_to=40")
  assert "going on from step 20" in printed
  printed = run_process("experiments.evaluate", f"--workdir={run}")
  assert "squared error: " in printed
  # And this process, with a run that was moved.
  assert "leaky" not in CELLS
  run = run.rename(tmp_path / "moved")
  config = load_run(run).config
  (cell,) = config.model.cells()
  assert type(cell).__name__ == "Leaky" and config.task.name == "far_adding"


def test_a_config_file_that_is_gone(own, tmp_path):
  config = parse_config(["train", f"--config={own}"])
  write_config(tmp_path, config, {})
  own.unlink()
  assert read_config(tmp_path) == config  # who knows the names needs no file
  del CELLS["leaky"]
  with pytest.raises(RunError, match="its cell or task is that of .*own.py"):
    read_config(tmp_path)


def test_runs_of_the_librarys_own_cells_name_no_file(tmp_path):
  config = parse_config(["train", "--config=configs/adding.py:tiny"])
  write_config(tmp_path, config, {})
  assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
  "line, message",
  [
    ('CELLS["lstm"] = Leaky', 'own.py: the library has a "lstm"; name yours'),
    ('CELLS["other"] = Leaky(8)', 'own.py: "other" must be a dataclass, got L'),
    ("1 / 0", r"own.py: ZeroDivisionError: division by zero \(line 36\)"),
  ],
)
def test_a_file_at_fault_brings_nothing(own, line, message):
  own.write_text(OWN + line + "\n")
  before = dict(CELLS), dict(TASKS)
  with pytest.raises(ConfigError, match=message):
    parse_config(["train", f"--config={own}"])
  assert (CELLS, TASKS) == before


def test_a_file_is_run_once_and_its_config_is_made_each_time(own):
  first, second = (
    parse_config(["train", f"--config={own}", *words])
    for words in (["--config.train.seed=3"], [])
  )
  assert (first.train.seed, second.train.seed) == (3, 0)
  assert type(first.task) is type(second.task)


@pytest.mark.slow
def test_a_sweep_over_ones_own_cell(own, tmp_path):
  (tmp_path / "sweep.py").write_text(SWEEP)
  words = [f"--config={own}", f"--sweep={tmp_path}/sweep.py"]
  printed = run_process(
    "experiments.sweep", *words, f"--workdir={tmp_path}/runs"
  )
  assert "\n2 finished\n" in printed and "cell=leaky" in printed
  assert "cell=leaky" in run_process("experiments.runs", f"{tmp_path}/runs")
