"""Numbers that cells and layers take, the package's names, and short reprs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import make_small_config

import lstm_jax
from lstm_jax import (
  GRU,
  LSTM,
  LSTM1997,
  RNN,
  SLSTM,
  ConvLSTM,
  Dropout,
  GreffLSTM,
  Head,
  LanguageModel,
  MatrixLSTM,
  MogrifierLSTM,
  Noise,
  Options,
  ProjectionLSTM,
  SequenceModel,
  Stack,
  bidirectional,
  unroll,
)
from lstm_jax.cells.registry import CELLS
from lstm_jax.layers.dropout import dropout
from lstm_jax.run.load import Run

MORE = {"conv_lstm": {"image_size": (3, 2)}}
RNGS = nnx.Rngs(0)


@pytest.mark.parametrize("name", CELLS)
def test_sizes_are_positive_integers(unchecked, name):
  kind, more = CELLS[name], MORE.get(name, {})
  for size in (0, -3):
    with pytest.raises(ValueError, match=f"hidden_size must be 1 or.*{size}"):
      kind(size, **more)
  for size in (8.5, 8.0, True, "8", None, np.ones(2), jnp.int32(8)):
    with pytest.raises(ValueError, match="hidden_size must be an integer, got"):
      kind(size, **more)
  cell = kind(np.int64(8), **more)
  for size in (0, -1, 2.5, True):
    with pytest.raises(ValueError, match="input_size must be"):
      cell.init(jax.random.key(0), size)


@pytest.mark.parametrize("name", CELLS)
def test_fields_are_given_by_name(name):
  with pytest.raises(TypeError, match="positional argument"):
    CELLS[name](8, 16)


@pytest.mark.parametrize(
  "make, message",
  [
    (lambda: LSTM(8, forget_bias="1"), "forget_bias must be a number, got '1'"),
    (lambda: LSTM(8, forget_bias=np.nan), "forget_bias must be a number"),
    (lambda: LSTM(8, forget_bias=True), "forget_bias must be a number"),
    (lambda: LSTM(8, cap_input_gate=1), "cap_input_gate must be True or False"),
    (lambda: LSTM(8, chrono=-9.0), "chrono must be at least 0 and at most"),
    (
      lambda: MogrifierLSTM(8, rounds=-1),
      "rounds must be at least 0 and at most 100, got -1",
    ),
    (lambda: MogrifierLSTM(8, rounds=101), "at most 100, got 101"),
    (lambda: MogrifierLSTM(8, rank=1.0), "rank must be an integer, got 1.0"),
    (lambda: SLSTM(8, heads=2.0), "heads must be an integer, got 2.0"),
    (lambda: MatrixLSTM(8, heads=0), "heads must be at least 1 and .*got 0"),
    (
      lambda: ProjectionLSTM(8, projection_size=0),
      "projection_size must be at",
    ),
    (lambda: RNN(8, identity="yes"), "identity must be True or False"),
    (
      lambda: LSTM1997(8, init_scale=-1),
      "init_scale must be at least 0 and at most 100, got -1",
    ),
    (lambda: LSTM1997(8, block_size=0), "block_size must be at least 1"),
    (
      lambda: LSTM1997(8, input_gate_biases=[1.0]),
      r"input_gate_biases must be a tuple of numbers, got \[1.0\]",
    ),
    (lambda: LSTM1997(8, biases=3), "biases must be one of none, .*got 3"),
    (
      lambda: LSTM1997(8, output_gate_biases=(1.0, 101.0)),
      "output_gate_biases must be at least -100 and at most 100, got 101",
    ),
    (
      lambda: LSTM1997(8, input_gate_biases=(1.0, "x")),
      "input_gate_biases must be a number, got 'x'",
    ),
    (
      lambda: ConvLSTM(8, image_size=(3,)),
      r"image_size must be a tuple of 2 numbers, got \(3,\)",
    ),
    (lambda: ConvLSTM(8, image_size=(3, 0)), "image_size must be 1 or more"),
    (lambda: ConvLSTM(8, image_size=(3, 2.5)), "image_size must be an integer"),
    (lambda: Options(chunk=2.5), "chunk must be an integer, got 2.5"),
    (lambda: Options(unroll=True), "unroll must be an integer, got True"),
    (lambda: Head(experts=-1), "experts must be 0 or more, got -1"),
    (lambda: Head(latent_dropout=1.0), "latent_dropout must be at least 0 and"),
    (lambda: Head(cutoffs=(2, 0)), "cutoffs must be 1 or more, got 0"),
    (lambda: Head(slowness_l2=-1.0), "slowness_l2 must be 0 or more"),
    (lambda: Stack([], 3, rngs=RNGS), "cells must be one for each layer"),
    (lambda: Stack([LSTM(8)], 0, rngs=RNGS), "input_size must be 1 or more"),
    (
      lambda: Stack([LSTM(8)], 3, rates=Dropout(between=1.5), rngs=RNGS),
      "rates.between must be at least 0 and at most 0.99, got 1.5",
    ),
    (
      lambda: dropout(jnp.ones((1, 2, 3)), -0.5, None),
      "rate must be at least 0 and at most 0.99, got -0.5",
    ),
    (
      lambda: LanguageModel(
        [LSTM(8)], vocabulary_size=0, embedding_size=4, rngs=RNGS
      ),
      "vocabulary_size must be 1 or more, got 0",
    ),
    (
      lambda: LanguageModel(
        [LSTM(8)], vocabulary_size=9, embedding_size=-4, rngs=RNGS
      ),
      "embedding_size must be 0 or more, got -4",
    ),
    (
      lambda: SequenceModel(
        [LSTM(8)], input_size=3, output_size=2.0, symbols=False, rngs=RNGS
      ),
      "output_size must be an integer, got 2.0",
    ),
    (
      lambda: SequenceModel(
        [LSTM(8)],
        input_size=3,
        output_size=2,
        symbols=False,
        output="softmax",
        rngs=RNGS,
      ),
      "output must be one of .*, got 'softmax'",
    ),
  ],
)
def test_numbers_that_cannot_be(unchecked, make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_every_cell_is_a_name_of_the_package():
  for kind in CELLS.values():
    assert getattr(lstm_jax, kind.__name__) is kind
  for name in lstm_jax.__all__:
    assert callable(getattr(lstm_jax, name))
  for wrong, message in (
    ("Gru", 'no attribute "Gru"; did you mean "GRU"'),
    ("lstm", 'no attribute "lstm"; did you mean "LSTM"'),
    ("LTSM", 'did you mean "LSTM"'),
    ("Stak", 'did you mean "Stack"'),
    ("xyzzy", "known: Attend"),
  ):
    with pytest.raises(AttributeError, match=message):
      getattr(lstm_jax, wrong)


def test_results_are_shown_in_a_line():
  cells, tokens = [LSTM(64), GRU(32)], np.zeros((2, 9), int)
  model = LanguageModel(
    cells, vocabulary_size=300, embedding_size=50, rngs=RNGS
  )
  text = repr(model(tokens))
  assert text.startswith("Output(features=float32[2, 9, 32], state=(LSTMState(")
  assert "head=Softmax(w=float32[32, 300], b=float32[300]" in text
  assert "\n" not in text and len(text) < 300
  numbers = SequenceModel(
    cells, input_size=3, output_size=7, symbols=False, rngs=RNGS
  )
  x = np.zeros((2, 9, 3))
  assert "likelihood=Categorical(z=float32[2, 9, 7])" in repr(numbers(x))
  for kind in CELLS.values():
    state = kind(4, **MORE.get(kind.__name__, more_of(kind))).initial_state(2)
    assert "h=float32[2, " in repr(state) and "\n" not in repr(state)
  cell = GreffLSTM(4)
  params = cell.init(jax.random.key(0), 3)
  y, state = unroll(cell, params, x)
  assert repr(state) == (
    "GreffState(h=float32[2, 4], c=float32[2, 4], gates=None)"
  )
  _, pair = bidirectional((cell, cell), (params, params), x)
  assert len(repr(pair)) < 150
  noise = Noise(recurrent=np.ones((2, 1, 4)))
  assert (
    repr(noise) == "Noise(recurrent=float64[2, 1, 4], step=None, hold=None)"
  )
  params = nnx.to_pure_dict(nnx.state(model))
  run = Run(model, params, make_small_config("x"), {})
  assert repr(run) == "Run(LanguageModel of 63,684 parameters, task char_lm)"


def more_of(kind):
  return next((MORE[n] for n in MORE if CELLS[n] is kind), {})


def test_the_repr_of_a_cell_is_its_fields(unchecked):
  assert repr(GRU(3)) == "GRU(hidden_size=3)"
  assert hash(LSTM(3)) == hash(LSTM(np.int64(3)))
