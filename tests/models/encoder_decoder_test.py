"""The encoder-decoder against the same network written as a loop by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import slow_but

from configs import reversed_pairs
from lstm_jax import LSTM, EncoderDecoder, unroll
from lstm_jax.cells.lstm import LSTMState
from lstm_jax.config import validate
from lstm_jax.data.inputs import Pair
from lstm_jax.errors import ConfigError
from lstm_jax.evaluation.predictions import make_predictions
from lstm_jax.models.encoder_decoder import ATTENTION
from lstm_jax.run.build import build
from lstm_jax.search.answers import find_answers
from lstm_jax.search.base import SearchConfig

B, S, T, V, H = 2, 5, 4, 7, 6
LENGTHS = np.array([5, 3])
PAIR = Pair(
  source=np.array([[1, 4, 2, 6, 3], [5, 5, 1, 0, 0]], np.int32),
  source_mask=np.arange(S) < LENGTHS[:, None],
  before=np.array([[0, 3, 6, 2], [0, 1, 5, 0]], np.int32),
  before_mask=np.ones((B, T), bool),
)


def make(attention="additive", layers=1, **options):
  model = EncoderDecoder(
    [LSTM(H)] * layers,
    source_size=V,
    target_size=V,
    embedding_size=3,
    attention=attention,
    rngs=nnx.Rngs(0),
    **options,
  )
  for name in ("source_embedding", "target_embedding"):
    getattr(model, name)[...] *= 10.0  # each symbol counts
  return model


def plain(layer):
  return {name: np.asarray(param[...]) for name, param in layer.items()}


def sigmoid(z):
  return 1 / (1 + np.exp(-z))


def lstm_step(gates, c):
  i, f, g, o = np.split(gates, 4)
  c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
  return sigmoid(o) * np.tanh(c), c


def logits_by_hand(model, attention, source, before, both, reverse):
  """Of one pair of words, without padding, symbol after symbol."""
  x = np.asarray(model.source_embedding[...])[source]
  layers = model.encoder.layers[0]
  runs = [(layers[0], x), (layers[1], x[::-1])] if both else [(layers, x)]
  if reverse and not both:
    runs = [(layers, x[::-1])]
  outputs, ends = [], []
  for layer, inputs in runs:
    p = plain(layer)
    h = c = np.zeros(p["w_h"].shape[0])
    said = []
    for step in inputs:
      h, c = lstm_step(step @ p["w_x"] + h @ p["w_h"] + p["b"], c)
      said.append(h)
    outputs.append(said if inputs is x else said[::-1])
    ends.append((h, c))
  values = np.concatenate(outputs, -1)
  h, c = (np.concatenate(parts) for parts in zip(*ends, strict=True))
  p = plain(model.decoder.layers[0])
  w, b = np.asarray(model.softmax_w[...]), np.asarray(model.softmax_b[...])
  attends = attention != "none"
  read, found = np.zeros(values.shape[1] * attends), []
  for symbol in before:
    y = np.asarray(model.target_embedding[...])[symbol]
    z = y @ p["w_x"] + np.concatenate([h, read]) @ p["w_h"] + p["b"]
    h, c = lstm_step(z, c)
    if attends:
      keys = values @ np.asarray(model.keys_w[...])
      query = h if attention == "dot" else h @ p["w_q"]
      if attention == "additive":
        scores = np.tanh(query + keys) @ p["u"]
      else:
        scores = keys @ query
      weights = np.exp(scores - scores.max())
      read = weights / weights.sum() @ values
    found.append(np.concatenate([h, read]) @ w + b)
  return np.stack(found)


KINDS = [(True, False), (False, False), (False, True)]  # both ways, backwards


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("both, reverse", KINDS)
def test_every_attention_is_the_loop_by_hand(attention, both, reverse):
  """Padding of the shorter source has no part in it."""
  model = make(attention, bidirectional=both, reverse=reverse)
  found = model.read(PAIR).logits()
  for row, n in enumerate(LENGTHS):
    expected = logits_by_hand(
      model, attention, PAIR.source[row, :n], PAIR.before[row], both, reverse
    )
    np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("attention", slow_but(ATTENTION, ["additive", "none"]))
@pytest.mark.parametrize("both, reverse", KINDS)
def test_reading_is_start_and_a_step_for_each_symbol(attention, both, reverse):
  model = make(attention, layers=2, bidirectional=both, reverse=reverse)
  expected = model.read(PAIR).logits()
  context, state, first = model.start(PAIR)
  np.testing.assert_array_equal(first, PAIR.before[:, 0])
  for n in range(T):
    likelihood, state = model.step(context, state, PAIR.before[:, n])
    found = likelihood.logits()[:, 0]
    np.testing.assert_allclose(found, expected[:, n], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("both, reverse", KINDS)
def test_a_masked_source_is_the_shorter_source(attention, both, reverse):
  model = make(attention, bidirectional=both, reverse=reverse)
  found = model.read(PAIR).logits()
  other = PAIR.source.copy()
  other[1, 3:] = 6  # what is masked may be anything
  same = model.read(PAIR._replace(source=other)).logits()
  np.testing.assert_array_equal(found, same)
  short = Pair(*(a[1:] for a in PAIR))
  short = short._replace(
    source=short.source[:, :3], source_mask=short.source_mask[:, :3]
  )
  alone = model.read(short).logits()
  np.testing.assert_allclose(found[1:], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("attention", slow_but(ATTENTION, ["additive"]))
def test_gradients_are_finite_differences(attention, x64):
  structure, params = nnx.split(make(attention, dtype="float64"), nnx.Param)
  params = jax.tree.map(lambda a: a.astype(jnp.float64), params)
  targets = np.array([[3, 6, 2, 0], [1, 5, 0, 0]])

  @jax.jit
  def loss(params):
    return nnx.merge(structure, params).read(PAIR).nll(targets).sum()

  leaves, tree = jax.tree.flatten(params)
  gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(params))
  rng = np.random.default_rng(0)
  for number, (leaf, gradient) in enumerate(zip(leaves, gradients)):
    way = rng.standard_normal(leaf.shape)

    def moved(size, number=number, leaf=leaf, way=way):
      new = leaf + size * way
      return float(
        loss(tree.unflatten([*leaves[:number], new, *leaves[number + 1 :]]))
      )

    slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert slope == pytest.approx(
      float((gradient * way).sum()), rel=1e-6, abs=1e-8
    )
    assert abs(slope) > 1e-6


@pytest.mark.parametrize("attention", slow_but(ATTENTION, ["additive", "none"]))
def test_a_beam_finds_nothing_worse_than_the_likeliest_symbols(attention):
  model = make(attention)
  model.softmax_w[...] *= 5.0
  key = jax.random.key(0)

  def best(**options):
    return find_answers(model, PAIR, SearchConfig(**options), T, 0, key)

  greedy, beam = best(), best(name="beam", width=4, best=3)
  ended = np.asarray(greedy.lengths[:, 0]) < T
  assert (beam.scores[:, 0] >= greedy.scores[:, 0] - 1e-5)[ended].all()
  assert (np.diff(beam.scores) <= 0).all()
  for row in range(B):  # its score is the log-probability of the answer
    n = int(beam.lengths[row, 0])
    answer = [*np.asarray(beam.symbols[row, 0, :n]).tolist(), 0]
    pair = Pair(*(a[row : row + 1] for a in PAIR))
    pair = pair._replace(
      before=np.array([[0, *answer[:-1]]], np.int32),
      before_mask=np.ones((1, n + 1), bool),
    )
    nll = model.read(pair).nll(np.array([answer])).sum()
    assert -float(nll) == pytest.approx(float(beam.scores[row, 0]), rel=1e-5)


def test_the_decoder_goes_on_from_the_encoders_end():
  model = make("none", bidirectional=False)
  x = model.source_embedding[...][PAIR.source]
  layer = {k: p[...] for k, p in model.encoder.layers[0].items()}
  _, end = unroll(LSTM(H), layer, x, mask=PAIR.source_mask)
  _, (state,), _ = model.start(PAIR)
  assert isinstance(state, LSTMState)
  for a, b in zip(state, end, strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
  "change, message",
  [
    ({"cell": "gru"}, 'model.cell: an encoder_decoder is made of "lstm"'),
    ({"hidden_sizes": (7,)}, "model.hidden_sizes: must be even with model.bid"),
    ({"reverse": True}, "model.reverse: the encoder reads in both directions"),
  ],
)
def test_configs_that_are_refused(change, message):
  config = reversed_pairs.get_config("tiny")
  for name, value in change.items():
    setattr(config.model, name, value)
  with pytest.raises(ConfigError, match=message):
    validate(config)


@pytest.mark.slow
def test_a_trained_model_says_words_backwards():
  config = reversed_pairs.get_config()
  config.task.longest, config.task.evaluation_sequences = 4, 256
  config.optimizer.learning_rate = 0.02
  config.train.steps = config.train.validate_every = 200
  experiment, state = build(validate(config))
  for _ in range(4):
    state, _ = experiment.train_call(state, experiment.data)
  judge = make_predictions(
    experiment.structure, experiment.task, "valid", 256, SearchConfig()
  )
  counts = judge(state.params).extra
  assert counts["judged"] == 256
  assert counts["exact"] / counts["judged"] > 0.9
