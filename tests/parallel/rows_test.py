"""A batch split over devices gives what one device gives."""

import jax
import numpy as np
import pytest
from helpers import make_small_config, sha

from experiments.device_setup import start_process
from experiments.train import Plan, train
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.layers.dropout import Dropout
from lstm_jax.parallel.rows import ROWS, choose_devices
from lstm_jax.run.build import build
from lstm_jax.run.directory import read_record


@pytest.mark.parametrize(
  "batch, hidden, cores, expected",
  [
    (32, (256,), 2, 2),
    (32, (256, 256), 8, 4),  # at least 8 rows each
    (30, (64,), 4, 3),  # the largest divisor
    (31, (64,), 4, 1),
    (20, (64, 650), 2, 1),  # one large layer
    (8, (16,), 2, 1),
    (1, (16,), 2, 1),
    (64, (16,), 1, 1),
  ],
)
def test_how_many_devices_are_chosen(batch, hidden, cores, expected):
  assert choose_devices(batch, hidden, cores) == expected


def three_steps(config, devices):
  experiment, state = build(config, devices=devices)
  data = experiment.task.source.at(0, 1)
  nats = []
  for _ in range(3):
    state, metrics = experiment.train_call(state, data)
    nats.append(float(metrics.sums.nats))
  assert experiment.train_call._cache_size() == 1
  evaluate = make_evaluation(
    experiment.structure, experiment.task, "valid", 4, experiment.layout
  )
  sums = evaluate(state.params)
  return nats, state.params, state.carry, sums


@pytest.mark.parametrize(
  "devices", [2, pytest.param(4, marks=pytest.mark.slow)]
)
def test_a_split_batch_is_the_whole_batch(small_config, devices):
  config = small_config
  config.model.hidden_sizes = (8, 8)
  config.model.dropout = Dropout(
    input=0.1, recurrent=0.2, weight=0.2, zoneout_c=0.1, embedding=0.1
  )
  expected = three_steps(config, 1)
  found = three_steps(config, devices)
  for a, b in zip(
    *map(jax.tree.leaves, (found, expected)), strict=True
  ):  # float32 rounding, through Adam's division
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
  for leaf in jax.tree.leaves(found[2]):  # the rows stay where they are
    assert leaf.sharding.spec == ROWS


def test_a_run_resumes_on_another_number_of_devices(
  corpus, tmp_path, capsys, monkeypatch
):
  jax.devices()  # eight, where this test is the first of its process
  config = make_small_config(corpus)
  config.run.devices = 2
  config.train.steps = 6
  assert train(Plan(config, str(tmp_path))) == 0
  before = sha(tmp_path)
  capsys.readouterr()
  config.run.devices = 4
  assert train(Plan(config, str(tmp_path))) == 0  # nothing left to do
  assert sha(tmp_path) == before
  out = capsys.readouterr().out
  assert "devices was 2 at the last start and is 4 now" in out
  config.run.devices = 0  # as in the start before
  monkeypatch.setattr("lstm_jax.parallel.runtime.cores", lambda: 8)
  assert train(Plan(config, str(tmp_path), extend_to=12)) == 0
  starts = read_record(tmp_path)["starts"]
  assert [start["devices"] for start in starts] == [2, 4, 4]


@pytest.mark.parametrize("trials, expected", [(1, 2), (5, 3)])
def test_a_resumed_run_takes_what_divides_the_rows(
  small_config, monkeypatch, trials, expected
):
  """A batch of 4 that was split over 4 devices, of which 3 are left."""
  monkeypatch.setattr("lstm_jax.parallel.runtime.setup", lambda *_, **__: None)
  monkeypatch.setattr(jax, "device_count", lambda: 3)
  small_config.train.trials = trials
  assert start_process(small_config, [{"devices": 4}]) == expected


def test_too_many_devices_are_refused(small_config, tmp_path):
  small_config.run.devices = 4 * 16
  small_config.train.batch_size = 64
  with pytest.raises(ConfigError, match="run.devices: 64 asked for, 8 avail"):
    train(Plan(small_config, str(tmp_path / "run")))
  assert not (tmp_path / "run").exists()


def test_devices_must_divide_the_batch(small_config):
  small_config.run.devices = 3
  with pytest.raises(ConfigError, match="batch_size 4 cannot be split over 3"):
    validate(small_config)
