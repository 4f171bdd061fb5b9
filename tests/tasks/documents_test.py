"""Packed documents of text: the state starts afresh before each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import make_small_config, run_main

from experiments import generate as generate_command
from experiments.train import train
from lstm_jax import LSTM
from lstm_jax.config import validate
from lstm_jax.errors import ConfigError
from lstm_jax.models.language_model import LanguageModel
from lstm_jax.search.sample import generate
from lstm_jax.tasks.text_config import CharLMConfig, WordLMConfig

FIRST, SECOND = "#a red fox ", "#the blue sea and the green one "


@pytest.fixture
def load(tmp_path):
  def load(text, start="#", kind=CharLMConfig, **fields):
    path = tmp_path / f"{len(text)}.txt"
    path.write_text((FIRST + SECOND) * 8 + text)
    fields = {"window": 8, "limit": 0} | fields
    config = kind(corpus=str(path), document_start=start, **fields)
    return config.load(2)

  return load


def make_model(size):
  model = LanguageModel(
    [LSTM(6), LSTM(5)], vocabulary_size=size, embedding_size=4, rngs=nnx.Rngs(0)
  )
  model.embedding[...] *= 20.0  # clear preferences
  model.softmax_w[...] *= 4.0
  return model


@pytest.mark.parametrize("split", ["train", "valid"])
def test_the_loss_of_two_packed_documents_is_the_sum_of_their_losses(
  load, split
):
  task = load("")
  model = make_model(len(task.vocabulary))
  length = len(FIRST + SECOND)
  if split == "train":
    task = load("", window=length)
    data = jax.device_put(task.source.at(0, 1))
    batch, _ = task.batch(data, jnp.int32(0), jax.random.key(0))
  else:
    task = load((FIRST + SECOND) * 2)
    window, data, _ = task.evaluation("valid", 1, length)
    batch, _ = window(jax.device_put(data), jnp.int32(0))
  x, reset = np.asarray(batch.inputs.x)[:1], np.asarray(batch.inputs.reset)[:1]
  y = np.asarray(batch.targets.tokens)[:1]
  starts = [*np.flatnonzero(reset[0]), length]
  assert len(starts) > 2
  text = task.vocabulary.decode(x[0])
  assert [n for n, c in enumerate(text) if c == "#"] == starts[:-1]
  if starts[0]:
    starts.insert(0, 0)
  whole = model(x, reset=reset).nll(y).sum()
  alone = [
    model(x[:, i:j]).nll(y[:, i:j]).sum()
    for i, j in zip(starts[:-1], starts[1:], strict=True)
  ]
  assert float(whole) == pytest.approx(float(sum(alone)), rel=1e-6)
  assert float(model(x).nll(y).sum()) != pytest.approx(float(whole), rel=1e-6)


def test_padded_windows_have_their_documents(load):
  task = load("", window_spread=2.0)
  data = jax.device_put(task.source.at(0, 1))
  batch, _ = task.batch(data, jnp.int32(0), jax.random.key(0))
  (start,) = task.vocabulary.encode("#")
  np.testing.assert_array_equal(batch.inputs.reset, batch.inputs.x == start)


def test_without_a_start_nothing_is_reset(load):
  task = load("", start="")
  data = jax.device_put(task.source.at(0, 1))
  batch, _ = task.batch(data, jnp.int32(0), jax.random.key(0))
  assert batch.inputs.reset is None
  window, data, _ = task.evaluation("valid", 1)
  assert window(data, jnp.int32(0))[0].inputs.reset is None


@pytest.mark.parametrize("start", ["%", "##", "\ufffd"])
def test_a_start_that_is_no_symbol_is_one_line(load, start):
  message = f"task.document_start: '{start}' must be one symbol of the vocab"
  with pytest.raises(ConfigError, match=message):
    load("", start=start)


def test_a_word_begins_documents_too(load):
  task = load("", start="#the", kind=WordLMConfig)
  window, data, _ = task.evaluation("valid", 1, 4)
  batch, _ = window(data, jnp.int32(0))
  (start,) = task.vocabulary.encode("#the")
  np.testing.assert_array_equal(batch.inputs.reset, batch.inputs.x == start)


def test_a_prompt_is_forgotten_where_a_document_begins(load):
  task = load("")
  model, encode = make_model(len(task.vocabulary)), task.vocabulary.encode
  start = int(encode("#")[0])

  def said(prompt, restart):
    blocks = generate(
      model, encode(prompt), 40, seed=3, restart=restart, forbidden=(0, start)
    )
    return np.concatenate(list(blocks)).tolist()

  for prompt in ("#", "#a re"):
    assert said("the sea" + prompt, start) == said(prompt, start)
    assert said(prompt, start) == said(prompt, None)
    assert said("the sea" + prompt, None) != said(prompt, None)


def test_what_is_made_begins_documents_too(load):
  """Every symbol but the start is forbidden, so that each comes after it."""
  model = make_model(len(load("").vocabulary))
  start = int(load("").vocabulary.encode("#")[0])
  only = tuple({*range(model.vocabulary_size)} - {start, 5})
  options = {"temperature": 1.0, "seed": 1, "forbidden": only}
  made = np.concatenate(
    list(generate(model, np.array([start]), 40, restart=start, **options))
  ).tolist()
  key, text = jax.random.key(1), [start]
  for n in range(40):
    since = len(text) - 1 - text[::-1].index(start)
    logits = model(jnp.array([text[since:]], jnp.int32)).logits()[0, -1]
    banned = jnp.full(logits.shape, -jnp.inf).at[jnp.array([start, 5])].set(0)
    drawn = jax.random.categorical(jax.random.fold_in(key, n), logits + banned)
    text.append(int(drawn))
  assert made == text[1:] and 5 < made.count(5) < 35


@pytest.mark.slow
def test_a_run_with_documents_is_trained_and_generates(tmp_path, capsys):
  corpus = tmp_path / "text.txt"
  corpus.write_text((FIRST + SECOND) * 100)
  config = make_small_config(str(corpus))
  config.task.document_start = "#"
  assert train(validate(config), str(tmp_path / "run")) == 0
  capsys.readouterr()
  said = [
    run_main(
      generate_command,
      capsys,
      f"--workdir={tmp_path / 'run'}",
      f"--prompt={prompt}",
      "--search.length=30",
    )
    for prompt in ("#a re", "sea #a re")
  ]
  assert said[1] == "sea " + said[0]
