"""Families of inputs."""

import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.data.inputs import Frames, Tokens, tokens_or_frames


@pytest.mark.parametrize(
  "dtype, family",
  [
    (np.int32, Tokens),
    (np.uint8, Tokens),
    (np.float32, Frames),
    (jnp.bfloat16, Frames),
  ],
)
def test_integers_are_symbols_and_anything_else_numbers(dtype, family):
  x = jnp.ones((2, 3) if family is Tokens else (2, 3, 4), dtype)
  mask = jnp.ones((2, 3), bool)
  found = tokens_or_frames(x, mask)
  assert type(found) is family
  assert found.x is x and found.mask is mask
  assert tokens_or_frames(x).mask is None
