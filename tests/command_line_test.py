"""Command lines: what is right, and one clear line for what is wrong."""

import pytest
from absl import flags
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.command_line import new_flags, parse_config, parse_flags
from lstm_jax.errors import ConfigError
from lstm_jax.training.optimizers import Optimizer

TINY = "--config=configs/char_lm.py:tiny"


def parse(*words):
  values = new_flags()
  flags.DEFINE_string("workdir", None, "run directory", flag_values=values)
  return parse_config(["train", *words], values, "Trains.")


def test_overrides():
  config = parse(
    "--workdir=x",
    TINY,
    "--config.train.steps=7",
    "--config.model.hidden_sizes=3,4",
    "--config.optimizer.name=sgd",
    "--config.optimizer.learning_rate=1",
    "--noconfig.run.tensorboard",
    "--config.model.cell=lstm_1997",
    "--config.model.options.input_gate_biases=-1,-2.5",
    "--config.model.options.output_gate_biases=-3",
    "--config.train.seed",
    "5",
  )
  assert config.train.steps == 7
  assert config.model.hidden_sizes == (3, 4)
  assert config.optimizer.name is Optimizer.SGD
  assert config.optimizer.learning_rate == 1.0
  assert config.model.options.input_gate_biases == (-1.0, -2.5)
  assert config.model.options.output_gate_biases == (-3.0,)
  assert config.run.tensorboard is False
  assert config.train.seed == 5


@pytest.mark.parametrize(
  "words, message",
  [
    ([], "--config is missing; give a config file, as --config=configs/"),
    (["--config"], "--config is missing"),
    (["--config=configs/char.py"], 'did you mean "configs/char_lm.py"?'),
    (["--config=configs"], "configs: no such config file"),
    (["--config=README.md"], "README.md"),
    (["--config=a\0b"], "no such config file"),
    (["--config=lstm_jax/files.py"], "not a config file"),
    (["--config=configs/char_lm.py:big"], 'no variant "big"'),
    ([TINY, "--config.train.stps=1"], 'did you mean "train.steps"?'),
    ([TINY, "--config.steps=1"], 'did you mean "train.steps"?'),
    ([TINY, "--config.train=1"], "train is a group of fields"),
    ([TINY, "--config.train.steps=x"], "must be an integer, got 'x'"),
    ([TINY, "--config.train.steps"], "must be an integer, got ''"),
    ([TINY, "--config.optimizer.name=adm"], "must be one of sgd, momentum"),
    ([TINY, "--config.model.tied=maybe"], "must be true or false"),
    (
      [TINY, "--config.model.hidden_sizes=1.5,2"],
      "must be integers with commas",
    ),
    ([TINY, "--config.model.hidden_sizes=a"], "must be integers with commas"),
    ([TINY, "--config.model.hidden_sizes[4]=2"], "one by one; give all"),
    ([TINY, "--config.optimizer.learning_rate=nan"], "must be finite"),
    ([TINY, "--config.model.cell=ltsm"], 'did you mean "lstm"?'),
    ([TINY, "word"], 'unexpected word "word"'),
    ([TINY, "--wrkdir=x"], "Did you mean: workdir"),
  ],
)
def test_one_clear_line(words, message):
  with pytest.raises(ConfigError) as error:
    parse(*words)
  assert message in str(error.value)
  assert "\n" not in str(error.value)
  assert len(str(error.value)) < 400


def test_a_failing_config_file(tmp_path):
  path = tmp_path / "broken.py"
  path.write_text("def get_config():\n  return 1 / 0\n")
  with pytest.raises(
    ConfigError,
    match=r"broken.py: ZeroDivisionError: division by zero \(line 2 of",
  ):
    parse(f"--config={path}")
  path.write_text("def get_config():\n  return 3\n")
  with pytest.raises(ConfigError, match="must return a lstm_jax.config.Config"):
    parse(f"--config={path}")
  path.write_text("def get_config(:\n")
  with pytest.raises(ConfigError, match="broken.py"):
    parse(f"--config={path}")


def test_help_lists_flags_and_fields(capsys):
  with pytest.raises(SystemExit) as stop:
    parse("--help", TINY)
  assert stop.value.code == 0
  printed = capsys.readouterr().out
  assert "--workdir" in printed and "--config.train.steps=40" in printed


def test_required_flags():
  values = new_flags()
  flags.DEFINE_string("workdir", None, "run directory", flag_values=values)
  with pytest.raises(ConfigError, match="--workdir is missing"):
    parse_flags(values, ["x"], "", required=("workdir",))


_names = st.sampled_from(
  ["config", "config.train", "config.train.steps", "config.model.hidden_sizes"]
  + ["config.optimizer.name", "config.x[0]", "noconfig.run.tensorboard", "x"]
)
_values = st.one_of(st.text(), st.integers().map(str), st.floats().map(str))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_names, _values, st.booleans()), max_size=4))
def test_any_command_line_is_a_config_or_one_line(words):
  argv = [f"--{n}={v}" if joined else f"--{n}" for n, v, joined in words]
  try:
    parse(TINY, *argv)
  except ConfigError as error:
    assert "\n" not in str(error)
