"""Every sampled task of the registry makes batches that fit its sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from task_checks import Output

from lstm_jax.tasks.registry import TASKS
from lstm_jax.tasks.sequence_task import SequenceTaskConfig

CASES = [
  (name, loss)
  for name, config in TASKS.items()
  if issubclass(config, SequenceTaskConfig)
  and config.sample is not SequenceTaskConfig.sample
  for loss in config.CHOICES["loss"]
]


@pytest.mark.parametrize("name, loss", CASES)
def test_batches_fit_the_sizes(name, loss):
  config = TASKS[name](loss=loss, evaluation_sequences=5)
  config.check()
  assert config.name == name
  inputs, outputs, symbols = config.sizes()
  task = config.load(3)
  train = jax.jit(task.batch)((), jnp.asarray(7), jax.random.key(0))
  window, data, windows = task.evaluation("valid", 3)
  assert windows == 2
  last = jax.jit(window)(data, 1)
  assert last.weights.any(1).tolist() == [True, True, False]
  for batch in (train, last):
    b, t = batch.mask.shape
    assert b == 3 and batch.weights.shape == (b, t)
    assert not np.any(batch.weights * ~batch.mask)
    if symbols:
      assert batch.inputs.shape == (b, t)
      assert 0 <= batch.inputs.min() and batch.inputs.max() < inputs
    else:
      assert batch.inputs.shape == (b, t, inputs)
    if loss == "cross_entropy":
      assert batch.targets.shape == (b, t)
      assert 0 <= batch.targets.min() and batch.targets.max() < outputs
    else:
      assert batch.targets.shape == (b, t, outputs)
    scores = task.scores(task.loss(Output(jnp.zeros((b, t, outputs))), batch))
    assert task.headline in scores
    assert np.isfinite(list(scores.values())).all()
