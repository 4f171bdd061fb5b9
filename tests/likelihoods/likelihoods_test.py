"""Likelihoods against their formulas, in float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, log_expit, log_softmax, softmax

from lstm_jax.layers.heads import Softmax
from lstm_jax.likelihoods.bernoulli import Bernoulli
from lstm_jax.likelihoods.categorical import Categorical, OfFeatures
from lstm_jax.likelihoods.squared_error import SquaredError

B, T, K, DRAWS = 2, 5, 4, 20_000


@pytest.fixture
def draw(x64):
  return np.random.default_rng(0)


def close(found, expected):
  np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def mean_of_samples(likelihood):
  keys = jax.random.split(jax.random.key(0), DRAWS)
  return jax.jit(jax.vmap(likelihood.sample))(keys)


def test_one_symbol_of_several(draw):
  z, targets = 3 * draw.normal(size=(B, T, K)), draw.integers(0, K, (B, T))
  found = Categorical(jnp.asarray(z))
  logs = np.take_along_axis(log_softmax(z, -1), targets[..., None], -1)
  close(found.nll(jnp.asarray(targets)), -logs[..., 0])
  close(found.errors(jnp.asarray(targets)), 1 - np.exp(logs))
  likeliest = z.argmax(-1)
  assert (found.mode() == likeliest).all()
  right = found.right(jnp.asarray(targets), 0.0)
  assert (right == (likeliest == targets)).all()
  assert 0 < right.sum() < right.size
  drawn = np.asarray(mean_of_samples(found))
  # Six standard deviations of a share.
  shares = (drawn[..., None] == np.arange(K)).mean(0)
  assert abs(shares - softmax(z, -1)).max() < 6 * 0.5 / DRAWS**0.5
  with pytest.raises(ValueError, match="targets"):
    found.nll(np.full((B, T), K))


def test_symbols_of_a_head_that_is_made_on_demand(draw):
  features, w = draw.normal(size=(B, T, 3)), draw.normal(size=(3, K))
  b, targets = draw.normal(size=K), draw.integers(0, K, (B, T))
  head = Softmax(jnp.asarray(w), jnp.asarray(b))
  found = OfFeatures(jnp.asarray(features), head)
  expected = Categorical(jnp.asarray(features @ w + b))
  close(found.logits(), expected.logits())
  close(found.nll(targets), expected.nll(targets))
  assert (found.mode() == expected.mode()).all()
  key = jax.random.key(1)
  assert (found.sample(key) == expected.sample(key)).all()


def test_numbers(draw):
  z, targets = draw.normal(size=(2, B, T, K))
  found = SquaredError(jnp.asarray(z))
  off = z - targets
  close(found.nll(targets), (off**2).sum(-1) / 2)
  asked = draw.random((B, T, K)) < 0.5
  expected = np.where(asked, off**2, 0).sum(-1) / 2
  close(found.nll(targets, jnp.asarray(asked)), expected)
  close(found.errors(targets), abs(off))
  tolerance = float(np.median(abs(off).max(-1)))
  right = found.right(targets, tolerance)
  assert (right == (abs(off).max(-1) <= tolerance)).all()
  assert 0 < right.sum() < right.size
  close(found.mode(), z)
  drawn = np.asarray(mean_of_samples(found))
  assert abs(drawn.mean(0) - z).max() < 6 / DRAWS**0.5
  assert abs(drawn.var(0) - 1).max() < 6 * 2**0.5 / DRAWS**0.5


def test_keys_of_a_piano(draw):
  z = 3 * draw.normal(size=(B, T, K))
  targets = 1.0 * (draw.random((B, T, K)) < expit(z))
  found = Bernoulli(jnp.asarray(z))
  nll = -np.where(targets, log_expit(z), log_expit(-z))
  close(found.nll(targets), nll.sum(-1))
  close(found.errors(targets), 1 - np.exp(-nll))
  sides = (z > 0) == (targets > 0)
  right = found.right(targets, 0.0)
  assert (right == sides.all(-1)).all() and 0 < right.sum() < right.size
  assert (found.mode() == (z > 0)).all()
  drawn = np.asarray(mean_of_samples(found))
  assert set(np.unique(drawn)) == {0, 1}
  assert abs(drawn.mean(0) - expit(z)).max() < 6 * 0.5 / DRAWS**0.5
