"""Every sampled task of the registry makes batches that fit its sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from task_checks import Output

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
  if issubclass(config, SequenceTaskConfig) and hasattr(config, "sample")
  for loss in config.CHOICES["loss"]
]


@pytest.mark.parametrize("name, loss", CASES)
def test_batches_fit_the_sizes(name, loss):
  config = TASKS[name](loss=loss, evaluation_sequences=5)
  config.check()
  assert config.name == name
  inputs, outputs, symbols = config.sizes()
  task = config.load(3)
  train = jax.eval_shape(task.batch, (), jnp.asarray(7), jax.random.key(0))
  window, data, windows = task.evaluation("valid", 3)
  assert windows == 2
  last = jax.jit(window)(data, 1)
  assert last.weights.any(1).tolist() == [True, True, False]
  for a, b in zip(*map(jax.tree.leaves, (train, last)), strict=True):
    assert a.shape == b.shape and a.dtype == b.dtype
  b, t = last.mask.shape
  assert b == 3 and last.weights.shape == (b, t)
  assert not np.any(last.weights * ~last.mask)
  if symbols:
    assert last.inputs.shape == (b, t)
    assert 0 <= last.inputs.min() and last.inputs.max() < inputs
  else:
    assert last.inputs.shape == (b, t, inputs)
  if loss == "cross_entropy":
    assert last.targets.shape == (b, t)
    assert 0 <= last.targets.min() and last.targets.max() < outputs
  else:
    assert last.targets.shape == (b, t, outputs)
  scores = task.scores(task.loss(Output(jnp.zeros((b, t, outputs))), last))
  assert task.headline in scores
  assert np.isfinite(list(scores.values())).all()
