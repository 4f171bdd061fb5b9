"""Options of cells: declared by each cell, set by configs, kept in runs."""

import dataclasses
import json

import numpy as np
import pytest

from configs import adding, char_lm
from experiments import config_help, train
from experiments.command_line import parse_config
from lstm_jax import LSTM, LSTM1997, load_run
from lstm_jax.cells.base import option, options_of
from lstm_jax.cells.registry import CELLS
from lstm_jax.config import from_json, to_json, validate
from lstm_jax.errors import ConfigError
from lstm_jax.models.cell_options import CellOptions

# What config.json had under model.options, for every cell, before cells
# declared their own.
OLD = {
  "forget_bias": 1.0,
  "chrono": 0.0,
  "variant": "V",
  "cap_input_gate": False,
  "projection_size": 128,
  "rounds": 5,
  "rank": 0,
  "round_biases": False,
  "positive_input": False,
  "nonlinearity": "tanh",
  "identity": False,
  "heads": 1,
  "forget": "sigmoid",
  "block_size": 1,
  "wide_output": False,
  "logistic_input": False,
  "output_gate": True,
  "recurrent": True,
  "truncated": True,
  "biases": "all",
  "init_scale": 0.1,
  "input_gate_biases": [],
  "output_gate_biases": [],
}
NEW = {"kernel_size": 3, "peepholes": False}  # since then
OWN = """
import dataclasses

from configs import adding
from lstm_jax.cells.base import option
from lstm_jax.cells.lstm import LSTM
from lstm_jax.cells.registry import CELLS


@dataclasses.dataclass(frozen=True)
class Leaky(LSTM):
  # how much of the cell state
  # is kept at every step
  leak: float = option(0.9, 0, 1)
  # heard as this
  tone: str = option("low", choices=("low", "high"))

  def step(self, params, z, state, noise=None):
    kept = state._replace(c=self.leak * state.c)
    return super().step(params, z, kept, noise)


CELLS["leaky"] = Leaky


def get_config(variant="tiny"):
  config = adding.get_config(variant)
  config.model.cell = "leaky"
  config.model.options.leak = 0.8
  return config
"""


@pytest.fixture
def own(tmp_path):
  """A config file that brings a cell, which is forgotten afterwards."""
  path = tmp_path / "own.py"
  path.write_text(OWN)
  yield f"--config={path}"
  CELLS.pop("leaky", None)


def parse(*words):
  return parse_config(["train", *words])


@pytest.mark.parametrize("kind", CELLS.values())
def test_every_field_of_a_cell_is_an_option_with_a_comment(kind):
  comments = config_help.field_comments(kind)
  names = {field.name for field in dataclasses.fields(kind)}
  assert names - {"image_size"} == options_of(kind).keys() | {"hidden_size"}
  for name in options_of(kind):
    assert comments[name]


def test_a_config_has_the_options_of_all_cells():
  options = dataclasses.asdict(CellOptions())
  assert json.loads(json.dumps(options)) == OLD | NEW
  taken = [name for kind in CELLS.values() for name in options_of(kind)]
  assert options.keys() == set(taken)


def test_every_comment_is_of_one_field():
  comments = config_help.field_comments(LSTM1997)
  said = [comments[name] for name in options_of(LSTM1997)]
  assert len(set(said)) == len(said)


def test_the_config_of_an_old_run_is_the_same():
  config = validate(char_lm.get_config("tiny"))
  data = json.loads(to_json(config))
  data["model"]["options"] = OLD
  assert from_json(json.dumps(data)) == config
  data["model"]["options"] = OLD | {"forget_bias": 2.5}
  assert from_json(json.dumps(data)).model.options.forget_bias == 2.5
  data["model"]["options"] = OLD | {"rank": 2}
  with pytest.raises(ConfigError, match='rank: the cell "lstm" does not take'):
    from_json(json.dumps(data))
  data["model"]["options"] = OLD | {"ranks": 2}
  with pytest.raises(ConfigError, match="model.options.ranks: unknown field"):
    from_json(json.dumps(data))


def test_a_saved_config_has_the_options_of_its_cells():
  config = char_lm.get_config("tiny")
  config.model.cell = "rnn"
  saved = json.loads(to_json(config))["model"]["options"]
  assert saved == {"nonlinearity": "tanh", "identity": False}


def test_another_cell_and_its_options_on_the_command_line():
  words = ["--config.model.cell=mogrifier", "--config.model.options.rounds=3"]
  config = parse("--config=configs/adding.py:tiny", *words)
  assert [cell.rounds for cell in config.model.cells()] == [3]
  with pytest.raises(ConfigError, match='rounds: the cell "lstm" does not'):
    parse("--config=configs/adding.py:tiny", words[1])


def test_a_config_file_brings_a_cell(own, tmp_path, capsys):
  words = [own, "--config.model.options.leak=0.5"]
  run = tmp_path / "run"
  assert train.main(["train", *words, f"--workdir={run}"]) == 0
  saved = json.loads((run / "config.json").read_text())["model"]
  assert saved["cell"] == "leaky"
  assert saved["options"]["leak"] == 0.5 and "rank" not in saved["options"]
  # What was trained forgets: its loss is not that of the LSTM.
  config = parse(*words)
  assert from_json(to_json(config)) == config
  loaded = load_run(run)
  x = np.random.default_rng(0).random((2, 9, 2), np.float32)
  features = loaded.model(x).features
  for leak, same in ((0.5, True), (1.0, False)):
    config.model.options.leak = leak
    loaded.model.stack.cells = tuple(config.model.cells())
    assert np.array_equal(loaded.model(x).features, features) == same


def test_the_options_of_a_brought_cell_are_checked(own, capsys):
  assert parse(own).model.options.leak == 0.8
  assert parse(own, "--config.model.cell=gru").model.options.leak == 0.9
  for words, message in (
    (["leak=1.5"], "options.leak: must be at least 0 and at most 1, got 1.5"),
    (["leak=x"], "options.leak: must be a number, got 'x'"),
    (["tone=loud"], 'options.tone: unknown name "loud"; known: low, high'),
    (["leek=1"], 'unknown config field "model.options.leek"; did you mean "mo'),
    (["rank=1"], 'model.options.rank: the cell "leaky" does not take it'),
  ):
    with pytest.raises(ConfigError, match=message):
      parse(own, *(f"--config.model.options.{word}" for word in words))
  with pytest.raises(ConfigError, match='leak: the cell "gru" does not take'):
    parse(own, "--config.model.cell=gru", "--config.model.options.leak=0.5")
  with pytest.raises(SystemExit):
    parse(own, "--help")
  printed = " ".join(capsys.readouterr().out.split())
  assert (
    "--config.model.options.leak=0.8 how much of the cell state is kept at"
    " every step; a number, 0 to 1 --config" in printed
  )
  assert "heard as this; one of low, high" in printed


def test_a_run_of_a_cell_that_is_not_there(own, monkeypatch):
  mine, other = (
    to_json(parse(own)),
    to_json(parse(own, "--config.model.cell=gru")),
  )
  monkeypatch.delitem(CELLS, "leaky")
  assert from_json(other).model.cell == "gru"
  with pytest.raises(ConfigError, match='model.cell: unknown name "leaky"'):
    from_json(mine)


def test_a_config_that_is_older_than_a_cell_takes_its_defaults(monkeypatch):
  config = adding.get_config("tiny")
  monkeypatch.setitem(CELLS, "mine", declare(float, 0.5, name="leak"))
  validate(config)
  config.model.cell = "mine"
  assert [cell.leak for cell in config.model.cells()] == [0.5]


def test_init_scale_leaves_nothing_to_what_parameters_start_as():
  config = char_lm.get_config("tiny")
  config.model.init_scale = 0.05
  config.model.options.cap_input_gate = True
  validate(config)
  config.model.options.forget_bias = 2.0
  with pytest.raises(ConfigError, match="forget_bias: model.init_scale draws"):
    validate(config)


def declare(kind, default, *limits, name="heads", **more):
  """The LSTM with one more option."""
  field = name, kind, option(default, *limits, **more)
  return dataclasses.make_dataclass("Mine", [field], bases=(LSTM,), frozen=True)


@pytest.mark.parametrize(
  "cell",
  [
    declare(int, 1, 1, 8),
    declare(int, 2, 1, 10**6),
    declare(float, 1.0, 1, 10**6),
    declare(int, 1, 1, 10**6, initial=True),
  ],
)
def test_options_of_one_name_are_equal(monkeypatch, cell):
  monkeypatch.setitem(CELLS, "mine", declare(int, 1, 1, 10**6))
  assert type(CellOptions()) is type(adding.get_config().model.options)
  monkeypatch.setitem(CELLS, "mine", cell)
  with pytest.raises(
    ConfigError, match='option "heads" of the cell "mine" .* that of "slstm"'
  ):
    CellOptions()


def test_an_option_is_something_that_a_config_can_hold(monkeypatch):
  monkeypatch.setitem(CELLS, "mine", declare(float | None, None))
  with pytest.raises(
    ConfigError, match="must be an int, float, bool, str or tuple"
  ):
    CellOptions()
