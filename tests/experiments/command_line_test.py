"""Command lines: what is right, and one clear line for what is wrong."""

import dataclasses
import operator

import pytest
from absl import flags
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import command_line, config_help
from experiments.command_line import (
  add_flag,
  load_config_file,
  new_flags,
  parse_config,
  parse_flags,
)
from lstm_jax import config as config_lib
from lstm_jax.errors import ConfigError
from lstm_jax.run.directory import differences
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


def test_spellings_of_a_value():
  config = parse(
    *(TINY, "--config.model.hidden_sizes=(3, 4,)", "--config.run.tensorboard"),
    *("--config.optimizer.name=SGD", "--config.model.cutoffs=", "--workdir=x"),
    *("-config.train.steps=0x28", "--config.model.tied=F"),
  )
  assert config.model.hidden_sizes == (3, 4) and config.model.cutoffs == ()
  assert config.run.tensorboard is True and config.model.tied is False
  assert config.optimizer.name is Optimizer.SGD and config.train.steps == 40


def test_the_file_and_the_other_flags_are_kept():
  values = new_flags()
  add_flag(values, "workers", 3, "how many", (1, None))
  parse_config(["x", TINY, "--workers=4"], values)
  assert values.config == "configs/char_lm.py:tiny" and values.workers == 4
  parse_config(["x"], new_flags(), default_file="configs/char_lm.py:tiny")


@pytest.mark.parametrize(
  "words, message",
  [
    ([TINY, "--config.model.hidden_sizes"], "commas between them, got ''"),
    ([TINY, "--config.run.wandb"], "run.wandb: must be text, got ''"),
    ([], "--config is missing; give a config file, as --config=configs/"),
    (["--config"], "--config is missing"),
    (["--config=configs/char.py"], 'did you mean "configs/char_lm.py"?'),
    (
      ["--config=configs"],
      "configs: is a folder; give a config file, as confi",
    ),
    (["--config=configs/sweeps:tiny"], "is a folder"),
    (
      ["--config=configs/nope.py"],
      "no such config file; configs has adding, a",
    ),
    (["--confg=configs/char_lm.py"], "'confg'. Did you mean: config"),
    (["--cnfig=x", "--config.train.seed", "4"], "flag 'cnfig'. Did you mean"),
    ([TINY, TINY], "--config is given twice"),
    ([TINY, "--workdir=a", "--workdir=a"], "--workdir=a: already defined"),
    (
      [TINY, "--config.train.seed=1", "--config.train.seed", "2"],
      "--config.train.seed is given twice",
    ),
    (
      [TINY, "--config.model.hidden_sizes=1", "--config.model.hidden_sizes=2"],
      "--config.model.hidden_sizes is given twice",
    ),
    ([TINY, "--config.model.tied=0", "--noconfig.model.tied"], "given twice"),
    (
      [TINY, "--config.train.xyzzy=1"],
      'unknown config field "train.xyzzy"; --',
    ),
    (["--flagfile=nowhere"], "--flagfile: "),
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


@pytest.mark.parametrize(
  "text, message",
  [
    ("def get_config():\n  return 1 / 0\n", "division by zero (line 2)"),
    ("import json\n\njson.loads('{')\n", "enclosed in double quotes: line 1"),
    ("def get_config():\n  import json\n  json.loads('{')\n", "(line 3)"),
    (
      "def get_config():\n  return 3\n",
      "must return a lstm_jax.config.Config",
    ),
    ("\ndef get_config(:\n", "SyntaxError: invalid syntax (line 2)"),
    ("x = '\0'\n", "SyntaxError: source code string cannot contain null bytes"),
    ("import sys\nsys.exit(3)\n", "SystemExit: 3 (line 2)"),
    ("import no_such_module\n", "'no_such_module' (line 1)"),
    ("get_config = 3\n", "not a config file: no function get_config in it"),
    ("def get_config(a, b):\n  pass\n", "missing a required argument: 'a'"),
  ],
)
def test_a_failing_config_file(tmp_path, text, message):
  path = tmp_path / "broken.py"
  path.write_text(text)
  with pytest.raises(ConfigError) as error:
    parse(f"--config={path}")
  assert str(error.value).startswith(f"{path}: ")
  assert message in str(error.value) and "\n" not in str(error.value)


def test_a_fault_in_a_file_that_a_config_imports(tmp_path, monkeypatch):
  monkeypatch.syspath_prepend(tmp_path)
  (tmp_path / "imported_by_it.py").write_text("x = 1\nx = = 2\n")
  path = tmp_path / "config.py"
  path.write_text("import imported_by_it\n")
  with pytest.raises(ConfigError, match=r"\(line 2 of .*/imported_by_it.py\)"):
    parse(f"--config={path}")


def test_a_path_with_colons(tmp_path):
  folder = tmp_path / "a:b"
  folder.mkdir()
  path = folder / "con:fig.py"
  path.write_text(
    "from configs import char_lm\n"
    "def get_config(variant=''):\n  return char_lm.get_config(variant)\n"
  )
  assert parse(f"--config={path}:tiny").train.steps == 40
  assert parse(f"--config={path}").train.steps > 40
  with pytest.raises(ConfigError, match='no variant "a:b"'):
    parse(f"--config={path}:a:b")
  with pytest.raises(ConfigError, match="no such config file"):
    parse(f"--config={folder}/none.py:tiny")


ADDING = "--config=configs/adding.py:tiny"


@pytest.mark.parametrize(
  "words, field, value",
  [
    ([ADDING, "--config.model.cell=rnn"], "model.options.forget_bias", 1.0),
    (
      ["--config=configs/temporal_order.py:tiny", "--config.model.cell=gru"],
      "model.options.chrono",
      0.0,
    ),
    (
      ["--config=configs/yang_2018.py:tiny", "--config.model.experts=0"],
      "model.latent_dropout",
      0.0,
    ),
    (
      ["--config=configs/yang_2018.py:tiny", "--config.model.cell=min_lstm"],
      "model.dropout.weight",
      0.0,
    ),
    (
      ["--config=configs/char_lm.py:tiny", "--config.optimizer.name=sgd"],
      "optimizer.beta2",
      0.999,
    ),
    ([ADDING, "--config.train.stop.name=never"], "train.stop.sequences", 2000),
  ],
)
def test_what_only_the_file_set_is_left_out(words, field, value):
  config = parse(*words)
  assert operator.attrgetter(field)(config) == value
  assert config_lib.from_json(config_lib.to_json(config)) == config
  assert differences(config, parse(*words), ()) == []
  with pytest.raises(ConfigError, match=f"{field}: .* leave it out"):
    parse(*words, f"--config.{field}={value}")


def test_what_nothing_reads_is_no_difference():
  old, new = parse(ADDING), parse(ADDING)
  old.optimizer.decay = 0.25  # of an older version, under a cosine
  assert differences(old, new, ()) == []
  old.optimizer.final_fraction = 0.25
  assert len(differences(old, new, ())) == 1


def test_help_lists_flags_and_fields(capsys):
  with pytest.raises(SystemExit) as stop:
    parse("--help", TINY)
  assert stop.value.code == 0
  printed = capsys.readouterr().out
  assert "--workdir" in printed and "--config.train.steps=40" in printed


def test_help_says_what_fields_mean(capsys):
  with pytest.raises(SystemExit):
    parse("--help", ADDING, "--config.model.cell=rnn")
  printed = capsys.readouterr().out
  for text in (
    "--config.train.steps=20 number of updates; with epochs it is set when",
    "f, tanh or max(0, .); one of tanh, relu ",
    "start as the IRNN: W_h is the identity and W_x small; true or false",
    "known are lstm, peephole",
    "one of constant, cosine, step, milestones, plateau",
  ):
    assert text in " ".join(printed.split())
  for name in ("options.forget_bias", "options.rank", "optimizer.momentum"):
    assert name not in printed


def test_every_field_has_a_comment():
  config = load_config_file("configs/char_lm.py")
  for part in (
    config.model,
    config.model.dropout,
    config.optimizer,
    config.train,
    config.train.stop,
    config.run,
  ):
    comments = config_help.field_comments(type(part))
    for field in dataclasses.fields(part):
      assert comments[field.name] or field.name == "name"


def test_help_without_docstrings():
  values = new_flags()
  with pytest.raises(SystemExit) as stop:
    parse_flags(values, ["x", "--help"], None)
  assert stop.value.code == 0


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


def test_messages_of_the_library_are_told_with_flags():
  """The library names fields; what sets them is the command's."""
  error = ConfigError("set train.batch_size=1 or --config.train.trials=2")
  assert command_line._what_to_mend(error) == (
    "set --config.train.batch_size=1 or --config.train.trials=2"
  )
  error = ConfigError("train.steps: a longer run needs extend_to=15")
  assert command_line._what_to_mend(error) == (
    "train.steps: a longer run needs --extend_to=15"
  )
