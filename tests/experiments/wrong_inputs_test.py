"""Wrong inputs of all commands: one line that says what to do. Tests of single
commands have more of them."""

import importlib
import shlex

import pytest

from lstm_jax.errors import UserError

TINY = "experiments.train --config=configs/char_lm.py:tiny --workdir=TMP/run"
SWEEP = "experiments.sweep --config=configs/adding.py:tiny --workdir=TMP/sweep"
FILES = {
  "zero.py": 'SearchSpace({"train.seed": Integers(0, 3)}, trials=0)',
  "none.py": "SearchSpace({}, trials=3)",
  "word.py": 'grid({"model.cell": "rnn"})',
  "other.py": '[{"model.cell": "rnn", "model.options.forget_bias": 2.0}]',
}


@pytest.fixture
def folder(tmp_path, finished_run):
  """A file, a sweep file of each kind, and an empty folder."""
  (tmp_path / "file").write_text("")
  (tmp_path / "folder").mkdir()
  for name, sweep in FILES.items():
    text = "from lstm_jax.config.sweeps import *\n"
    text += f"def get_sweep():\n  return {sweep}\n"
    (tmp_path / name).write_text(text)
  return tmp_path


@pytest.mark.parametrize(
  "line, message",
  [
    # words of a flag
    (f"{TINY} --extend_to=abc", "flag --extend_to=abc: must be an integer;"),
    (f"{TINY} --workdir=TMP/b", "--workdir=TMP/b: already defined as TMP/run"),
    (
      "experiments.generate --search.temperature=hot",
      "=hot: must be a number;",
    ),
    (
      "experiments.evaluate --json=maybe",
      "--json=maybe: must be true or false",
    ),
    (
      "experiments.evaluate --flagfile=TMP/none",
      "--flagfile: cannot be read: N",
    ),
    (
      "experiments.runs --flagfile=TMP/folder",
      "cannot be read: Is a directory",
    ),
    ("scripts.benchmark_lstm --seconds=nan", "--seconds: must be finite"),
    ("scripts.benchmark_lm --peers=", "--peers is empty; give some"),
    ("scripts.scaling --output=TMP/x --parts=", "--parts is empty"),
    ("scripts.reproduce --paper=hochreiter_1997 --row=", "--row is empty"),
    ("scripts.scaling --worker --process_id=x", "must be an integer"),
    ("scripts.scaling --confg=x", "'confg'. Did you mean: config"),
    ("scripts.benchmark_training --confg=x", "'confg'. Did you mean: config"),
    # folders, before anything is measured
    (
      "experiments.gradient_flow --output=TMP/file",
      "=TMP/file: cannot be made",
    ),
    (
      "scripts.scaling --output=TMP/file/x",
      "Not a directory; give another fol",
    ),
    ("scripts.benchmark_lm --output=TMP/file", "File exists; give another"),
    ("scripts.chaos --results=TMP/file", "--results=TMP/file: cannot be made"),
    (
      "scripts.reproduce --paper=modern_1997 --results=TMP/file",
      "--results=TMP/file: cannot be made",
    ),
    (
      "scripts.benchmark_lm --python=torch=TMP/none --output=TMP/x",
      "--python=torch=TMP/none: no such program",
    ),
    # configs
    (f"{TINY} --config.model.cell=LSTM", 'did you mean "lstm"?'),
    (
      "experiments.train --config=configs/hochreiter_1997.py:nope",
      'no variant "nope"; known: tiny, 1-4x1-0.1-0',
    ),
    (
      f"{TINY} --config.train.trial_learning_rates=0.1",
      "there is one trial; set train.trials, or leave it out",
    ),
    (
      f"{TINY} --config.model.embedding_size=0 --config.model.dropout.input=.2",
      "there is no embedding; set model.embedding_size, or leave it out",
    ),
    (
      "experiments.train --config=configs/adding.py:tiny"
      " --config.model.dropout.embedding=0.2",
      "a sequence_model drops no rows of its embedding; leave it out",
    ),
    # sweep files
    (
      f"{SWEEP} --sweep=TMP/zero.py",
      "zero.py: trials=0: must be an integer abo",
    ),
    (f"{SWEEP} --sweep=TMP/none.py", "a SearchSpace has no axes"),
    (f"{SWEEP} --sweep=TMP/word.py", "list of values, as ['rnn']"),
    (f"{SWEEP} --sweep=TMP/other.py", 'the cell "rnn" does not take it; leave'),
    (
      f"{SWEEP} --sweep=configs/sweeps",
      "is a folder; give a sweep file, as con",
    ),
    (f"{SWEEP} --sweep=TMP/zero.py:big", 'no variant "big"'),
    # runs
    (
      "experiments.evaluate --workdir=RUN --score=TMP/folder",
      "no such file; gi",
    ),
    (
      "experiments.evaluate --workdir=RUN --score=",
      "--score=: no such file; gi",
    ),
  ],
)
def test_one_line_that_says_what_to_do(folder, finished_run, line, message):
  line = line.replace("TMP", str(folder)).replace("RUN", str(finished_run))
  module, *words = shlex.split(line)
  with pytest.raises(UserError) as error:
    importlib.import_module(module).main([module, *words])
  text = str(error.value)
  assert message in text.replace(str(folder), "TMP")
  assert "\n" not in text and len(text) < 450


def test_a_long_list_of_what_differs(finished_run):
  """Of another config in the same directory, the first fields are named."""
  from experiments import train

  with pytest.raises(UserError, match=r"and \d+ more fields; take another"):
    train.main(
      ["train", "--config=configs/digits.py", f"--workdir={finished_run}"]
    )
