"""Every sampled task of the registry makes batches that fit its spec."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from task_checks import loss_of

from lstm_jax.tasks.registry import TASKS
from lstm_jax.tasks.sequence_task import SequenceTaskConfig

# Each task has tests of its own besides; losses besides its own compile it
# again for the same sequences.
QUICK = (
  "adding",
  "continual_reber",
  "list_ops",
  "reverse_string",
  "two_sequence",
)
CASES = [
  pytest.param(
    name,
    loss,
    marks=[] if loss == config().loss and name in QUICK else [pytest.mark.slow],
  )
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
  task = config.load(3)
  family, inputs, outputs, likelihood = task.spec
  assert likelihood == loss
  train = jax.eval_shape(task.batch, (), jnp.asarray(7), jax.random.key(0))
  window, data, windows = task.evaluation("valid", 3)
  assert windows == 2
  last, _ = jax.jit(window)(data, 1)
  values, weights, *_ = last.targets
  x, mask = last.inputs[:2]
  assert weights.any(1).tolist() == [True, True, False]
  for a, b in zip(*map(jax.tree.leaves, (train[0], last)), strict=True):
    assert a.shape == b.shape and a.dtype == b.dtype
  b, t = mask.shape
  assert b == 3 and weights.shape == (b, t)
  assert not np.any(weights * ~mask)
  if family == "tokens":
    assert x.shape == (b, t)
    assert 0 <= x.min() and x.max() < inputs
  else:
    assert family == "frames" and x.shape == (b, t, inputs)
  if loss == "cross_entropy":
    assert values.shape == (b, t)
    assert 0 <= values.min() and values.max() < outputs
  else:
    assert values.shape == (b, t, outputs)
  sums = loss_of(task, jnp.zeros((b, t, outputs)), last.targets)
  scores = task.scores(sums)
  assert task.headline.name in scores
  assert np.isfinite(list(scores.values())).all()
