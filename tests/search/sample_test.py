"""Sampling: the same numbers as the batch forward pass, and the right draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax import LSTM
from lstm_jax.models.language_model import LanguageModel
from lstm_jax.search.sample import choose, generate, score_tokens

V = 12


@pytest.fixture(scope="module")
def model():
  model = LanguageModel(
    [LSTM(7), LSTM(6)],
    vocabulary_size=V,
    embedding_size=5,
    rngs=nnx.Rngs(0),
  )
  model.softmax_w[...] *= 5.0  # clear preferences
  return model


def text(model, prompt, length, **options):
  blocks = list(generate(model, np.asarray(prompt), length, **options))
  return np.concatenate(blocks) if blocks else np.zeros(0, int)


@pytest.mark.parametrize("prompt_length", [1, 5, 600])
def test_greedy_text_is_that_of_the_forward_pass(model, prompt_length):
  prompt = np.random.default_rng(0).integers(1, V, prompt_length)
  made = text(model, prompt, 70, temperature=0.0)
  assert made.shape == (70,)
  whole = np.concatenate([prompt, made]).astype(np.int32)
  logits = np.array(model(whole[None]).logits()[0])
  logits[:, 0] = -np.inf  # the unknown symbol is never made
  best = logits.argmax(-1)[prompt_length - 1 : -1]
  # A tie within rounding may fall either way; the text then goes on from it.
  chosen = np.take_along_axis(logits[prompt_length - 1 : -1], made[:, None], 1)[
    :, 0
  ]
  assert (chosen >= logits[prompt_length - 1 : -1].max(-1) - 1e-5).all()
  assert (best == made).mean() > 0.95


def test_the_same_seed_is_the_same_text(model):
  first = text(model, [1, 2], 90, seed=3)
  np.testing.assert_array_equal(text(model, [1, 2], 90, seed=3), first)
  np.testing.assert_array_equal(text(model, [1, 2], 33, seed=3), first[:33])
  assert (text(model, [1, 2], 90, seed=4) != first).any()
  assert text(model, [1, 2], 0).shape == (0,)
  assert 0 not in first


def draws(logits, temperature=1.0, top_k=0, n=4000):
  pick = jax.vmap(
    lambda key: choose(
      jnp.asarray(logits), jnp.float32(temperature), top_k, key
    )
  )
  symbols = pick(jax.random.split(jax.random.key(0), n))
  return np.bincount(symbols, minlength=len(logits)) / n


def test_draws_follow_the_softmax():
  logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
  # 4000 draws: standard deviations of at most 0.008.
  np.testing.assert_allclose(draws(logits), np.exp(logits), atol=0.03)
  half = np.exp(logits * 2) / np.exp(logits * 2).sum()
  np.testing.assert_allclose(draws(logits, 0.5), half, atol=0.03)
  np.testing.assert_allclose(
    draws(logits, 1.0, 2), [0.625, 0.375, 0, 0], atol=0.03
  )
  assert draws(logits, 0.0)[0] == 1.0
  assert draws(logits, 1.0, 1)[0] == 1.0


def test_score_is_the_nll_of_every_symbol(model):
  symbols = np.random.default_rng(1).integers(0, V, 700)
  window = symbols[None].astype(np.int32)
  expected = model(window[:, :-1]).nll(window[:, 1:])[0]
  np.testing.assert_allclose(score_tokens(model, symbols), expected, atol=1e-5)
  assert score_tokens(model, symbols[:1]).shape == (0,)
