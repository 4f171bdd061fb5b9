"""The adaptive softmax against the full one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from configs import char_lm
from lstm_jax import LSTM
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.layers import adaptive_softmax, softmax
from lstm_jax.layers.adaptive_softmax import AdaptiveSoftmax
from lstm_jax.models.language_model import Head, LanguageModel

H, V, CUTOFFS = 8, 20, (5, 9)


def problem(cutoffs=CUTOFFS, shape=(3, 4)):
  params = adaptive_softmax.init(jax.random.key(0), H, V, cutoffs)
  rng = np.random.default_rng(0)
  params = {n: jnp.asarray(rng.normal(size=p.shape)) for n, p in params.items()}
  h = jnp.asarray(rng.normal(size=(*shape, H)))
  return params, h, jnp.asarray(rng.integers(0, V, shape))


def test_probabilities_sum_to_one_and_are_those_of_the_loss(x64):
  params, h, _ = problem()
  head = AdaptiveSoftmax(params, CUTOFFS)
  log_p = head.logits(h)
  np.testing.assert_allclose(jnp.exp(log_p).sum(-1), 1, rtol=1e-12)
  for word in range(V):
    targets = jnp.full(h.shape[:2], word)
    np.testing.assert_allclose(
      head.nll(h, targets), -log_p[..., word], rtol=1e-10
    )


def test_one_cluster_of_a_split_softmax_is_the_full_one(x64):
  """With p(cluster) = sum of its words' and p(v | cluster) to match."""
  first = 6
  rng = np.random.default_rng(1)
  w, b = jnp.asarray(rng.normal(size=(H, V))), jnp.asarray(rng.normal(size=V))
  h = jnp.asarray(rng.normal(size=(1, 1, H)))
  targets = jnp.arange(V)[None]
  z = softmax.logits(h, w, b)
  # The head's place of the cluster is fitted to this one position.
  total = jax.nn.logsumexp(z[0, 0, first:])
  params = {
    "head_w": jnp.concatenate([w[:, :first], jnp.zeros((H, 1))], 1),
    "head_b": jnp.append(b[:first], total),
    "cluster1_projection": jnp.eye(H),
    "cluster1_w": w[:, first:],
    "cluster1_b": b[first:],
  }
  head = AdaptiveSoftmax(params, (first,))
  every = jnp.broadcast_to(h, (1, V, H))
  np.testing.assert_allclose(
    head.nll(every, targets),
    softmax.cross_entropy(every, w, b, targets),
    rtol=1e-10,
  )
  np.testing.assert_allclose(head.logits(h), jax.nn.log_softmax(z), rtol=1e-10)


def test_gradients(x64, monkeypatch):
  monkeypatch.setattr(adaptive_softmax, "_BLOCK", 5)  # blocks without clusters
  params, h, targets = problem()

  def loss(params, h, fused=True):
    return AdaptiveSoftmax(params, CUTOFFS, fused).nll(h, targets).sum()

  check_grads(loss, (params, h), 1, ["rev"], atol=1e-6, rtol=1e-6)
  plain = jax.grad(loss)(params, h, False)
  for name, g in jax.grad(loss)(params, h).items():
    np.testing.assert_allclose(g, plain[name], rtol=1e-10, atol=1e-12)


def test_blocks_change_nothing(x64, monkeypatch):
  params, h, targets = problem(shape=(7, 11))
  whole = AdaptiveSoftmax(params, CUTOFFS).nll(h, targets)
  monkeypatch.setattr(adaptive_softmax, "_BLOCK", 9)
  np.testing.assert_allclose(
    AdaptiveSoftmax(params, CUTOFFS).nll(h, targets), whole, rtol=1e-12
  )


def test_a_model_with_it():
  model = LanguageModel(
    [LSTM(8)],
    vocabulary_size=V,
    embedding_size=4,
    head=Head(cutoffs=(5,)),
    rngs=nnx.Rngs(0),
  )
  tokens = np.random.default_rng(0).integers(0, V, (3, 30)).astype(np.int32)
  structure, params = nnx.split(model)

  def loss(params):
    return nnx.merge(structure, params)(tokens[:, :-1]).nll(tokens[:, 1:]).sum()

  for leaf in jax.tree.leaves(jax.grad(loss)(params)):
    assert float(jnp.abs(leaf).max()) > 0
  assert not hasattr(model, "softmax_w")


@pytest.mark.parametrize(
  "changes, message",
  [
    ({"cutoffs": (9, 5)}, "must rise"),
    ({"cutoffs": (9,), "tied": True}, "model.tied"),
    ({"cutoffs": (9,), "experts": 2}, "model.experts"),
    ({"cutoffs": (9,), "project": True}, "model.project"),
  ],
)
def test_what_it_does_not_go_with(changes, message):
  config = char_lm.get_config("tiny")
  for name, value in changes.items():
    setattr(config.model, name, value)
  with pytest.raises(ConfigError, match=message):
    validate(config)


def test_cutoffs_beyond_the_vocabulary():
  with pytest.raises(ValueError, match="between 1 and 19"):
    adaptive_softmax.init(jax.random.key(0), H, V, (20,))
