"""Trials side by side: each is the run it would be alone."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close, run_main, sha, slow_but

from configs import deletang_2023, hochreiter_1997
from experiments import evaluate, generate
from experiments.train import train
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.run.build import build
from lstm_jax.run.directory import read_record
from lstm_jax.run.writers import read_metrics
from lstm_jax.tasks.adding import AddingConfig
from lstm_jax.tasks.temporal_order import TemporalOrderConfig
from lstm_jax.training import trials
from lstm_jax.training.stopping import StopConfig
from scripts import benchmark_trials


def small(count=3):
  config = hochreiter_1997.get_config("tiny")
  config.task = TemporalOrderConfig(length=15)
  config.train.trials = count
  config.train.stop.sequences = 20
  config.train.steps_per_call = 10
  return config


def wide(count=3):
  """Networks whose trials are computed in turn."""
  config = deletang_2023.get_config("tiny")
  config.task.length = 5
  config.model.hidden_sizes = (32,)
  config.train.trials, config.train.batch_size = count, 4
  config.train.stop = StopConfig()
  config.train.steps_per_call = 10
  return config


def run_calls(config, calls, devices=1):
  experiment, state = build(config, devices=devices)
  for _ in range(calls):
    state, metrics = experiment.train_call(state, experiment.data)
  return state, metrics


def test_a_network_that_is_not_finite_has_learned_nothing():
  config = small(1)
  config.task = AddingConfig(length=12)
  config.model.output = "linear"
  config.train.on_non_finite = "skip"
  config.train.stop.sequences = 8
  config.train.stop.mean_error = (0.01,)
  experiment, state = build(validate(config))
  spoiled = jax.tree.map(lambda a: a * jnp.nan, state.params)
  state = state.replace(params=spoiled)
  for _ in range(2):
    state, metrics = experiment.train_call(state, experiment.data)
  assert metrics.skipped == 10 and not state.done
  assert state.stop.met[0] == -1


@pytest.mark.parametrize("make", [small, wide])
def test_a_trial_is_the_run_of_its_seed(make):
  config = make()
  config.optimizer.learning_rate = 0.5
  config.train.trial_learning_rates = (0.5, 0.25)
  together, _ = run_calls(config, 3)
  for number, rate in enumerate((0.5, 0.25, 0.5)):
    alone = make(1)
    alone.train.seed = config.train.seed + number
    alone.optimizer.learning_rate = rate
    state, _ = run_calls(alone, 3)
    # float32 rounding: batched products sum in another order
    state = state.replace(rate=jnp.float32(rate / 0.5))
    found, expected = (
      dict(vars(each)) for each in (trials.trial(together, number), state)
    )
    assert found.pop("key") == expected.pop("key")
    assert_close(found, expected, 1e-5, atol=1e-6)
    assert int(state.step) == 30


@pytest.mark.parametrize("make", [small, wide])
@pytest.mark.parametrize("devices", slow_but([1, 2], [2]))
def test_trials_that_are_done_stay_as_they_are(devices, make):
  config = make(4)
  experiment, state = build(config, devices=devices)
  before = jax.tree.map(jnp.copy, state.replace(done=jnp.arange(4) != 2))
  state, metrics = experiment.train_call(before, experiment.data)
  assert state.step.tolist() == [0, 0, 10, 0]
  weight = metrics.sums.weight
  assert (weight > 0).tolist() == [False, False, True, False]
  for number in (0, 1, 3):
    assert_close(
      trials.trial(state.params, number),
      trials.trial(before.params, number),
      0,
    )
  alone, _ = run_calls(config, 1)
  assert_close(
    trials.trial(state.params, 2),
    trials.trial(alone.params, 2),
    1e-5,
    atol=1e-6,
  )


def each_step(count=3):
  """Networks that learn at every time step."""
  config = small(count)
  config.train.update_every, config.train.stop = "step", StopConfig()
  return config


@pytest.mark.parametrize("make", [small, wide, each_step])
@pytest.mark.parametrize(
  "layout",
  slow_but(
    [(4, 2, 2), (4, 1, 4), (5, 2, 4), (2, 2, 1), (16, 4, 2), (16, 1, 2)],
    [(16, 4, 2)],
  ),
)
def test_a_stopped_run_of_trials_goes_on_on_any_devices(tmp_path, make, layout):
  count, devices, later = layout
  assert jax.device_count() == 8  # before a run asks for fewer

  def run(devices):
    config = make(count)
    config.train.steps = config.train.validate_every = 20
    config.run.save_every, config.run.devices = 10, devices
    config.task.evaluation_sequences = config.train.validation_streams = 20
    config.run.tensorboard = False
    assert train(config, str(tmp_path)) == 0
    return sha(tmp_path)

  whole = run(devices)
  shutil.rmtree(tmp_path / "checkpoints" / "20")  # as if it had been killed
  assert run(later) == whole
  starts = read_record(tmp_path)["starts"]
  assert starts[1]["from_step"] == 10 and starts[1]["devices"] == later


def test_how_many_devices_share_trials():
  assert [trials.devices_for(6, n, True) for n in (1, 2, 4, 8)] == [1, 2, 3, 6]
  assert [trials.devices_for(6, n, False) for n in (1, 2, 4, 8)] == [1, 2, 3, 3]
  assert trials.devices_for(5, 4, True) == trials.devices_for(1, 4, False) == 1


def test_which_trials_are_computed_in_turn():
  state = [np.zeros((4, 8))]
  assert trials.run_in_turn(state, "cpu")
  assert not trials.run_in_turn(state, "gpu")
  assert not trials.run_in_turn([np.zeros((1, 32))], "cpu")


def test_an_uneven_number_of_wide_trials_is_not_split():
  (one, _), (two, _) = (run_calls(wide(), 2, devices) for devices in (1, 2))
  assert_close(one.params, two.params, 1e-5, atol=1e-6)


@pytest.mark.parametrize(
  "count, active, devices, width",
  [
    (20, 20, 1, 20),
    (20, 11, 1, 20),
    (20, 10, 1, 10),
    (20, 3, 1, 3),
    (20, 1, 1, 1),
    (20, 6, 2, 6),
    (20, 3, 2, 4),
    (20, 2, 2, 2),
    (20, 1, 2, 1),
    (1, 1, 2, 1),
    (3, 1, 2, 1),
  ],
)
def test_widths(count, active, devices, width):
  assert trials.choose_width(count, active, devices) == width


def test_trials_on_text_end_with_a_sample_of_the_first(
  small_config, tmp_path, capsys
):
  small_config.train.trials = 2
  small_config.train.steps = small_config.train.validate_every = 2
  small_config.run.save_every = 0
  assert train(small_config, str(tmp_path)) == 0
  printed = capsys.readouterr().out
  sample = printed.split("a sample of 10 characters, of trial 0:\n")[1]
  words = [f"--workdir={tmp_path}", "--search.length=10"]
  assert run_main(generate, capsys, *words) == sample


@pytest.mark.slow
def test_a_run_outlives_a_trial_that_diverges(tmp_path):
  config = small(2)
  config.train.trial_learning_rates = (0.5, 1e38)
  config.model.output = "linear"
  config.train.steps = config.train.validate_every = 40
  config.run.log_every = config.run.save_every = 10
  assert train(config, str(tmp_path)) == 0
  records = json.loads((tmp_path / "trials.json").read_text())
  assert [r["diverged"] for r in records] == [False, True]
  assert records[0]["updates"] == 40 > records[1]["updates"]


def test_a_killed_run_of_trials_goes_on_bit_for_bit(tmp_path, capsys):
  config = small()
  config.train.steps, config.train.validate_every = 60, 60
  config.run.save_every = config.run.log_every = 10
  config.train.stop.misses = 20  # met by the 20th sequence, whatever it is
  config.train.stop.mean_error = (0.17,)  # but not by every network
  whole, parts = tmp_path / "whole", tmp_path / "parts"
  assert train(config, str(whole)) == 0
  config.train.steps = config.train.validate_every = 30
  assert train(config, str(parts)) == 0
  assert train(config, str(parts), extend_to=60) == 0
  assert sha(whole) == sha(parts)
  records = [
    json.loads((p / "trials.json").read_text()) for p in (whole, parts)
  ]
  assert records[0] == records[1] and len(records[0]) == 3
  rows = [r for r in read_metrics(whole) if r.get("trial") == 2]
  assert 0 <= rows[-1]["valid/wrong_sequences"] <= 1
  capsys.readouterr()
  out = run_main(
    evaluate, capsys, f"--workdir={whole}", "--trial=2", "--split=test"
  )
  assert "squared error" in out
  with pytest.raises(Exception, match="no trial 3; there are 3"):
    evaluate.main(["evaluate", f"--workdir={whole}", "--trial=3"])


@pytest.mark.parametrize(
  "change, message",
  [
    ({"train.steps_per_call": 7}, "no multiple of train.steps_per_call 7"),
    ({"train.batch_size": 2}, '"recent" judges single sequences'),
    ({"train.stop.mean_error": ()}, "give at least one bound"),
    ({"train.trial_learning_rates": (0.0,)}, "must be above 0"),
    ({"train.init_from": "x"}, "there are several trials"),
    ({"model.options.truncated": False, "train.update_every": "step"}, "needs"),
    ({"train.update_every": "step", "model.dropout.output": 0.5}, "no dropout"),
    ({"train.update_every": "step", "optimizer.warmup_steps": 9}, "constant"),
    ({"optimizer.learning_rate": 0.0}, "must be above 0 with trials"),
    ({"train.stop.name": "set", "train.stop.sequences": 9999}, "2560"),
    ({"task.loss": "cross_entropy"}, 'the outputs must be "linear"'),
    (
      {
        "task.loss": "cross_entropy",
        "model.output": "linear",
        "task.tolerance": 0.5,
      },
      "task.tolerance: the task .* does not use it",
    ),
    ({"train.stop.name": "resent"}, 'did you mean "recent"'),
  ],
)
def test_what_does_not_go_together(change, message):
  config = small()
  for path, value in change.items():
    *parts, name = path.split(".")
    target = config
    for part in parts:
      target = getattr(target, part)
    setattr(target, name, value)
  with pytest.raises(ConfigError, match=message):
    validate(config)


@pytest.mark.parametrize("trials", ["x", "1,0", ""])
def test_wrong_numbers_of_trials_to_time(trials):
  with pytest.raises(
    ConfigError, match="--trials( is empty|: must be numbers from 1)"
  ):
    benchmark_trials.main(["benchmark_trials", f"--trials={trials}"])
