"""How long a run is: steps or epochs, and when it is validated."""

import json

import pytest
from helpers import sha

from configs import adding, digits
from experiments.command_line import parse_config
from experiments.train import Plan, train
from lstm_jax.config import from_json, to_json, validate
from lstm_jax.errors import ConfigError
from lstm_jax.run import directory
from lstm_jax.run.build import build

CHAR_LM = ["train", "--config=configs/char_lm.py:tiny"]


def write_config(tmp_path, **train_fields) -> list[str]:
  """A config file with these fields of train."""
  lines = [f"  config.train.{k} = {v!r}" for k, v in train_fields.items()]
  path = tmp_path / "config.py"
  path.write_text(
    "from configs import char_lm\ndef get_config():\n"
    "  config = char_lm.get_config('tiny')\n"
    + "\n".join(lines)
    + "\n  return config\n"
  )
  return ["train", f"--config={path}"]


def test_epochs_are_steps(small_config):
  small_config.train.epochs = 2
  experiment, _ = build(validate(small_config))
  epoch = experiment.task.steps_per_epoch
  assert small_config.train.steps == 2 * epoch > 12
  again = from_json(to_json(small_config))
  assert (again.train.epochs, again.train.steps) == (2, 2 * epoch)


def test_epochs_of_whole_calls(small_config):
  small_config.train.epochs, small_config.train.steps_per_call = 1, 50
  small_config.train.validate_every = small_config.run.save_every = 50
  small_config.run.log_every = 50
  experiment, _ = build(validate(small_config))
  epoch = experiment.task.steps_per_epoch
  assert epoch % 50 and small_config.train.steps == epoch + 50 - epoch % 50


def test_a_run_of_epochs_stops_resumes_and_is_extended(small_config, tmp_path):
  def config(**fields):
    copy = from_json(to_json(small_config))
    for name, value in fields.items():
      setattr(copy.train, name, value)
    return validate(copy)

  small_config.optimizer.schedule = type(small_config.optimizer.schedule)(
    "constant"
  )
  small_config.run.sample_length = 0
  small_config.train.batch_size = 32  # 21 steps an epoch
  small_config.train.steps = 7  # which nothing reads
  assert train(Plan(config(epochs=1), str(tmp_path / "a"))) == 0
  saved = directory.read_config(tmp_path / "a").train
  epoch = saved.steps
  assert saved.epochs == 1 and epoch > 7
  # The same command again.
  assert train(Plan(config(epochs=1), str(tmp_path / "a"))) == 0
  assert train(Plan(config(steps=epoch), str(tmp_path / "b"))) == 0
  assert sha(tmp_path / "a") == sha(tmp_path / "b")
  with pytest.raises(ConfigError, match=rf"epochs: 1 -> 2; .*now {epoch}"):
    train(Plan(config(epochs=2), str(tmp_path / "a")))
  for _ in range(2):
    longer = config(epochs=1)
    assert train(Plan(longer, str(tmp_path / "a"), extend_to=2 * epoch)) == 0
  saved = directory.read_config(tmp_path / "a").train
  assert (saved.epochs, saved.steps) == (0, 2 * epoch)
  assert train(Plan(config(epochs=2), str(tmp_path / "c"))) == 0
  assert sha(tmp_path / "a") == sha(tmp_path / "c")


def test_the_end_of_a_run_of_epochs_is_not_counted_again(
  small_config, tmp_path
):
  """Not even where the same text would have other epochs."""
  small_config.train.epochs = 1
  (tmp_path / "config.json").write_text(to_json(small_config))
  small_config.train.steps = 99
  checked = directory.check_config(tmp_path, small_config, 0)
  assert checked.train.steps == 12
  build(checked, resuming=True)
  assert checked.train.steps == 12


def test_tasks_without_epochs():
  config = adding.get_config("tiny")
  config.train.epochs = 3
  with pytest.raises(ConfigError, match='epochs: the task "adding" has none'):
    build(validate(config))
  config = digits.get_config("tiny")
  config.train.epochs = 2
  experiment, _ = build(validate(config))
  epochs = config.train.steps / experiment.task.steps_per_epoch
  assert 2 <= epochs <= 2 + 10 / experiment.task.steps_per_epoch


def test_one_of_steps_and_epochs(tmp_path):
  steps, epochs = "--config.train.steps=30", "--config.train.epochs=3"
  with pytest.raises(ConfigError, match="train.steps: train.epochs says"):
    parse_config([*CHAR_LM, steps, epochs])
  assert parse_config([*CHAR_LM, epochs]).train.epochs == 3
  file = write_config(tmp_path, epochs=5)
  assert parse_config(file).train.epochs == 5
  typed = parse_config([*file, steps]).train
  assert (typed.epochs, typed.steps) == (0, 30)
  none = parse_config([*CHAR_LM, steps, "--config.train.epochs=0"]).train
  assert (none.epochs, none.steps) == (0, 30)
  with pytest.raises(ConfigError, match="train.epochs: must be at least 0"):
    parse_config([*CHAR_LM, "--config.train.epochs=-1"])
  calls = write_config(
    tmp_path, epochs=5, steps_per_call=20, steps=40, validate_every=20
  ) + ["--config.run.log_every=20", "--config.run.save_every=20"]
  parse_config(calls)
  with pytest.raises(ConfigError, match="train.steps: 30 is no multiple of"):
    parse_config([*calls, steps])


def test_the_steps_of_a_file_do_not_matter_beside_epochs(small_config):
  small_config.train.epochs, small_config.optimizer.warmup_steps = 9, 100
  build(validate(small_config))
  small_config.train.epochs = 1
  small_config.optimizer.warmup_steps = 10_000
  with pytest.raises(ConfigError, match="warmup_steps: 10000 leaves none of"):
    build(validate(small_config))


@pytest.mark.parametrize(
  "steps, call, interval",
  [(2000, 1, 200), (2000, 50, 200), (8000, 50, 800), (1600, 50, 150)]
  + [(25, 1, 2), (9, 1, 1), (1, 1, 1), (20, 10, 10), (10, 10, 10)],
)
def test_ten_validations(steps, call, interval):
  settings = adding.get_config("tiny").train
  settings.steps, settings.steps_per_call = steps, call
  settings.validate_every = 0
  assert settings.validation_interval() == interval
  settings.validate_every = 7 * call
  assert settings.validation_interval() == 7 * call


def validations(path) -> list[int]:
  rows = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
  return [row["step"] for row in rows if "valid/perplexity" in row]


def test_a_shorter_run_is_validated_ten_times_too(small_config, tmp_path):
  small_config.train.validate_every, small_config.train.steps = 0, 20
  assert train(Plan(validate(small_config), str(tmp_path / "a"))) == 0
  assert validations(tmp_path / "a") == list(range(2, 21, 2))
  file = ["train", "--config=configs/adding.py", "--config.train.steps=2000"]
  assert parse_config(file).train.validation_interval() == 200


def test_a_run_of_the_old_default_resumes(small_config, tmp_path):
  """What is compared is when it is validated."""
  small_config.train.steps, small_config.train.validate_every = 20, 2
  (tmp_path / "config.json").write_text(to_json(small_config))
  small_config.train.validate_every = 0
  directory.check_config(tmp_path, small_config, 0)
  directory.check_config(tmp_path, small_config, 40)
  small_config.train.validate_every, small_config.train.steps = 4, 20
  with pytest.raises(ConfigError, match="validate_every: 2 -> 4"):
    directory.check_config(tmp_path, small_config, 0)
