"""Configs: complete, checked, and the same after JSON."""

import dataclasses
import json
import operator

import pytest
from helpers import CONFIGS, variants

from configs import adding, char_lm
from experiments.command_line import load_config_file, parse_config
from lstm_jax.cells.registry import CELLS
from lstm_jax.config import from_json, to_json, validate
from lstm_jax.errors import ConfigError
from lstm_jax.run.directory import differences
from lstm_jax.tasks.registry import TASKS

ALL = [f"{file}{variant}" for file in CONFIGS for variant in variants(file)]


@pytest.mark.parametrize("file", ALL)
def test_json_round_trip(file):
  config = validate(load_config_file(file))
  assert from_json(to_json(config)) == config
  assert json.loads(to_json(config))["task"]["name"] == config.task.name


@pytest.mark.parametrize(
  "path, value, message",
  [
    ("model.cell", "lstmm", 'unknown name "lstmm"; did you mean "lstm"?'),
    ("model.cell", "xyz", "known: lstm, peephole"),
    ("task.name", "char", 'did you mean "char_lm"?'),
    ("run.platform", "cuda", 'unknown name "cuda"'),
    ("train.steps", 1.5, "train.steps: must be an integer, got 1.5"),
    ("train.steps", True, "train.steps: must be an integer, got True"),
    ("train.steps", 0, "train.steps: must be at least 1"),
    ("train.seed", -1, "train.seed: must be at least 0"),
    ("optimizer.learning_rate", float("nan"), "must be finite, got nan"),
    ("optimizer.learning_rate", float("inf"), "must be finite, got inf"),
    ("optimizer.learning_rate", "fast", "must be a number, got 'fast'"),
    ("optimizer.name", "adam", "must be one of sgd, momentum, adam"),
    (
      "model.dropout.input",
      1.0,
      "model.dropout.input: must be at least 0 and at most",
    ),
    ("model.hidden_sizes", (), "give at least one layer"),
    ("model.hidden_sizes", (8, 1.5), "integers with commas between them, got"),
    ("model.hidden_sizes", (8, 0), "must be at least 1"),
    ("model.hidden_sizes", 8, "integers with commas between them, got 8"),
    ("model.tied", True, "set model.embedding_size=16"),
    ("model.cell", "lsmt", 'unknown name "lsmt"; did you mean "lstm"?'),
    ("model.cell", "lstm,gru", "2 names for 1 model.hidden_sizes"),
    ("model.options.rank", 2, 'the cell "lstm" does not take it'),
    ("model.options.chrono", 1.5, "model.options: chrono must be 0 or above 2"),
    ("model.engine", "gpu", 'unknown name "gpu"'),
    ("model.options.input_gate_biases", (-1, "a"), "must be numbers with comm"),
    ("model.options.block_size", 3, "16 must be a multiple of block_size 3"),
    ("model.options", 3, "model.options: must be a CellOptions"),
    ("optimizer.warmup_steps", 40, "leaves none of the 40 train.steps"),
    ("task.corpus", "a\0b", "task.corpus: a NUL byte"),
  ],
)
def test_wrong_values_are_named(path, value, message):
  config = char_lm.get_config("tiny")
  if "block_size" in path or "biases" in path:
    config.model.cell = "lstm_1997"
  parent, name = path.rsplit(".", 1)
  setattr(operator.attrgetter(parent)(config), name, value)
  with pytest.raises(ConfigError) as error:
    validate(config)
  assert message in str(error.value)
  assert "\n" not in str(error.value)


def test_dropout_needs_something_to_act_on():
  config = char_lm.get_config("tiny")
  config.model.cell = "lstm,min_lstm"
  config.model.hidden_sizes = (8, 8)
  config.model.dropout.recurrent = 0.5
  with pytest.raises(
    ConfigError, match='model.dropout.recurrent: the cell "min'
  ):
    validate(config)


def test_stabilised_cells_have_no_zoneout_of_the_cell_state():
  config = char_lm.get_config("tiny")
  config.model.cell = "slstm"
  config.model.dropout.zoneout_h = 0.5
  validate(config)
  config.model.dropout.zoneout_c = 0.5
  with pytest.raises(ConfigError, match="model.dropout.zoneout_c"):
    validate(config)


@pytest.mark.parametrize(
  "change, message",
  [
    ({"optimizer.weight_decay": 0.3}, 'optimizer.name "adam".* for adamw'),
    ({"optimizer.patience": 9}, "for plateau"),
    ({"optimizer.momentum": 0.5}, "for momentum"),
    ({"train.averaging.patience": 9}, "for non_monotone"),
    ({"train.stop.misses": 7}, "for recent and set"),
  ],
)
def test_what_nothing_reads(change, message):
  words = [f"--config.{name}={value}" for name, value in change.items()]
  with pytest.raises(ConfigError, match=message):
    parse_config(["train", "--config=configs/char_lm.py:tiny", *words])


def test_every_number_has_a_range():
  def unchecked(config):
    for field in dataclasses.fields(config):
      value = getattr(config, field.name)
      if dataclasses.is_dataclass(value):
        yield from unchecked(value)
      elif type(value) in (int, float, tuple):
        if field.name not in config.RANGES:
          yield field.name

  assert list(unchecked(char_lm.get_config())) == []


def test_an_option_that_the_cell_does_not_take():
  config = char_lm.get_config("tiny")
  config.model.cell = "gru"
  validate(config)
  config.model.options.chrono = 50.0
  with pytest.raises(ConfigError, match='chrono: the cell "gru" does not take'):
    validate(config)
  config.model.options.chrono = 0.0
  config.model.options.forget_bias = 2.0
  with pytest.raises(ConfigError, match='the cell "gru" does not take it'):
    validate(config)


@pytest.mark.parametrize("cell", sorted(CELLS.keys() - {"conv_lstm"}))
def test_every_cell_can_be_chosen(cell):
  config = char_lm.get_config("tiny")
  config.model.cell = cell
  validate(config)
  (made,) = config.model.cells()
  assert type(made) is CELLS[cell] and made.hidden_size == 16


def test_a_name_cannot_change_the_class(monkeypatch):
  @dataclasses.dataclass(slots=True)
  class Other:
    name: str = "other"

  monkeypatch.setitem(TASKS, "other", Other)
  config = char_lm.get_config("tiny")
  config.task.name = "other"
  with pytest.raises(ConfigError, match="take another config file"):
    validate(config)


def test_an_integer_serves_as_a_number():
  config = char_lm.get_config("tiny")
  config.optimizer.learning_rate = 1
  assert to_json(validate(config)) == to_json(from_json(to_json(config)))
  assert isinstance(config.optimizer.learning_rate, float)
  config.model.cell = "lstm_1997"
  config.model.options.input_gate_biases = (-1, -2.5)
  assert to_json(validate(config)) == to_json(from_json(to_json(config)))


@pytest.mark.parametrize(
  "change, message",
  [
    (lambda d: d.pop("train"), "train: missing field"),
    (lambda d: d["task"].pop("name"), "task.name: missing field"),
    (lambda d: d["train"].update(x=1), "train.x: unknown field"),
    (lambda d: d.update(train=3), "train: must be an object"),
    (
      lambda d: d["optimizer"].update(name="adm"),
      "optimizer.name: must be one",
    ),
    (lambda d: d["train"].update(steps="9"), "must be an integer, got '9'"),
    (
      lambda d: d["model"].update(hidden_sizes=4),
      "integers with commas between them, got 4",
    ),
  ],
)
def test_wrong_json_is_named(change, message):
  data = json.loads(to_json(char_lm.get_config("tiny")))
  change(data)
  with pytest.raises(ConfigError) as error:
    from_json(json.dumps(data))
  assert message in str(error.value)
  with pytest.raises(ConfigError, match="not valid JSON"):
    from_json(json.dumps(data)[:-1])


def test_older_runs_have_fewer_fields():
  config = char_lm.get_config("tiny")
  data = json.loads(to_json(config))
  del data["run"]["wandb"], data["train"]["stop"]
  del data["model"]["options"]["cap_input_gate"]
  assert from_json(json.dumps(data)) == config
  data["run"]["x"] = 1
  with pytest.raises(ConfigError, match="run.x: unknown field"):
    from_json(json.dumps(data))


def test_differences_leave_run_out():
  old, new = char_lm.get_config(), char_lm.get_config()
  new.run.log_every = 7
  assert differences(old, new, ()) == []
  new.train.steps = 9
  new.model.hidden_sizes = (3,)
  assert differences(old, new, ()) == [
    "model.hidden_sizes: 256 -> 3",
    f"train.steps: {old.train.steps} -> 9",
  ]
  assert differences(old, new, ("train.steps", "model.hidden_sizes")) == []


def test_a_language_model_learns_from_the_first_update_on():
  config = char_lm.get_config("tiny")
  config.train.recurrent_from = 2
  with pytest.raises(ConfigError, match="recurrent_from: it is for a"):
    validate(config)


@pytest.mark.parametrize(
  "task, model, message",
  [
    (
      char_lm,
      adding,
      'model.name: "sequence_model" does not read the text of the task'
      ' "char_lm"; take "language_model" or "window"',
    ),
    (
      adding,
      char_lm,
      'model.name: "language_model" does not read the frames of the task'
      ' "adding"; take "sequence_model" or "window"',
    ),
  ],
)
def test_a_model_that_does_not_read_the_task_is_named(task, model, message):
  config = task.get_config("tiny")
  config.model = model.get_config("tiny").model
  with pytest.raises(ConfigError) as error:
    validate(config)
  assert str(error.value) == message


def test_differences_to_another_task():
  changed = differences(char_lm.get_config(), adding.get_config(), ())
  assert "task.name: char_lm -> adding" in changed
  assert "model.name: language_model -> sequence_model" in changed
  assert differences(adding.get_config(), char_lm.get_config(), ())
