"""Beam search and drawn answers against an enumeration of every answer."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lstm_jax import LSTM
from lstm_jax.data.inputs import Tokens
from lstm_jax.errors import ConfigError
from lstm_jax.models.language_model import LanguageModel
from lstm_jax.search.answers import find_answers
from lstm_jax.search.base import SearchConfig
from lstm_jax.search.sample import choose

SYMBOLS, END, LONGEST = (1, 2, 3), 0, 3
PROMPTS = jnp.array([[1, 2], [3, 1]], jnp.int32)


@pytest.fixture(scope="module")
def model():
  model = LanguageModel(
    [LSTM(5)], vocabulary_size=4, embedding_size=3, rngs=nnx.Rngs(1)
  )
  model.softmax_w[...] *= 4.0  # clear preferences
  return model


@pytest.fixture(scope="module")
def every_answer(model):
  """Of each prompt, (symbols, log-probability with the end) of all answers."""
  found = []
  for prompt in np.asarray(PROMPTS).tolist():
    row = []
    for n in range(LONGEST + 1):
      for answer in itertools.product(SYMBOLS, repeat=n):
        whole = jnp.array([[*prompt, *answer, END]], jnp.int32)
        nll = model(whole[:, :-1]).nll(whole[:, 1:])
        row.append((answer, -float(nll[0, len(prompt) - 1 :].sum())))
    found.append(row)
  return found


def answers(model, **options):
  config = SearchConfig(**options)
  found = find_answers(
    model, Tokens(PROMPTS), config, LONGEST, END, jax.random.key(0)
  )
  return jax.tree.map(np.asarray, found)


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_a_wide_beam_finds_what_enumeration_finds(model, every_answer, alpha):
  # 27 beginnings of three symbols: none is ever left out
  found = answers(model, name="beam", width=27, best=6, length_penalty=alpha)
  for row, every in enumerate(every_answer):
    scored = [
      (log_p / ((5 + len(answer) + 1) / 6) ** alpha, answer)
      for answer, log_p in every
    ]
    best = sorted(scored, reverse=True)[:6]
    np.testing.assert_allclose(found.scores[row], [s for s, _ in best], 1e-5)
    for n, (_, answer) in enumerate(best):
      assert found.lengths[row, n] == len(answer)
      padded = answer + (END,) * (LONGEST - len(answer))
      assert tuple(found.symbols[row, n].tolist()) == padded


def test_a_narrow_beam_is_no_better_than_a_wide_one(model):
  scores = [
    answers(model, name="beam", width=width).scores[:, 0]
    for width in (1, 2, 27)
  ]
  assert (scores[0] <= scores[2] + 1e-6).all()
  assert (scores[1] <= scores[2] + 1e-6).all()


def test_greedy_takes_the_likeliest_symbol_until_the_end(model):
  found = answers(model)
  for row, prompt in enumerate(np.asarray(PROMPTS).tolist()):
    answer: list[int] = []
    while len(answer) < LONGEST:
      logits = model(jnp.array([prompt + answer], jnp.int32)).logits()
      symbol = int(logits[0, -1].argmax())
      if symbol == END:
        break
      answer.append(symbol)
    length = int(found.lengths[row, 0])
    assert found.symbols[row, 0, :length].tolist() == answer


def test_drawn_answers_come_as_often_as_they_are_likely(model, every_answer):
  draw = jax.jit(
    jax.vmap(
      lambda key: (
        find_answers(
          model, Tokens(PROMPTS), SearchConfig("sample"), LONGEST, END, key
        ).lengths
      )
    )
  )
  lengths = np.asarray(draw(jax.random.split(jax.random.key(1), 3000)))
  for row, every in enumerate(every_answer):
    empty = np.exp(every[0][1])  # the probability of no symbol at all
    share = (lengths[:, row, 0] == 0).mean()
    # 3000 draws: a standard deviation of at most 0.0092
    assert abs(share - empty) < 0.03


def test_top_p_keeps_the_fewest_symbols_that_have_it_together():
  logits = jnp.log(jnp.array([0.1, 0.5, 0.3, 0.1]))

  def drawn(top_p):
    keys = jax.random.split(jax.random.key(0), 400)
    one = jnp.float32(1)
    pick = jax.vmap(lambda key: choose(logits, one, 0, key, top_p))
    return set(np.asarray(pick(keys)).tolist())

  assert drawn(0.4) == {1}
  assert drawn(0.6) == {1, 2}
  assert drawn(1.0) == {0, 1, 2, 3}


def test_more_answers_than_beams_are_refused():
  with pytest.raises(ConfigError, match="search.best"):
    SearchConfig(name="beam", width=2, best=3).check()
  with pytest.raises(ConfigError, match="search.best"):
    SearchConfig(best=2).check()
