"""States and checkpoints that the tests of checkpoints share."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lstm_jax import LSTMState
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.checkpoints.manifest import Validation
from lstm_jax.training.state import init_state


def make_state(step=0, scale=1.0):
  params = {"w": scale * jnp.arange(6.0).reshape(2, 3), "l": {0: jnp.ones(2)}}
  plateau = optax.contrib.reduce_on_plateau()
  carry = (LSTMState(jnp.ones((2, 3)), jnp.zeros((2, 3))),)
  state = init_state(params, carry, optax.adam(0.1), plateau, seed=3)
  return state.replace(step=jnp.int32(step))


def assert_equal(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
      x, y = jax.random.key_data(x), jax.random.key_data(y)
    np.testing.assert_array_equal(x, y)


def validation(loss):
  return Validation(loss, loss)


def save(path, *losses):
  """One checkpoint a loss, at steps 1, 2, ..."""
  with Checkpointer(path, writing=True) as checkpointer:
    for step, loss in enumerate(losses, 1):
      checkpointer.save(make_state(step, scale=step), validation(loss))


def steps(path):
  with Checkpointer(path) as checkpointer:
    return checkpointer.steps(), checkpointer.best_step()
