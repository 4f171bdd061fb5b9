"""The Mogrifier LSTM on the words of the Penn Treebank.

Melis, Kocisky & Blunsom 2020, "Mogrifier LSTM", ICLR, with the settings of the
authors' code; the width is what makes 24M parameters, and the number of epochs
is our choice:

  python -m experiments.train --config=configs/mogrifier_2020.py \\
      --workdir=runs/mogrifier --config.task.corpus=FOLDER_OR_ZIP

  (default)  two layers, 5 rounds of rank 84; test perplexity in the paper 50.1,
             44.8 with dynamic evaluation
  :lstm      the same with 0 rounds, which is the LSTM
  :tiny      seconds, on the standard library

Averages start when 50 validations have not improved on those before. Their loss
is a sum over the steps of a window and ours a mean: clipping norm and l2 are
divided by it, and the l2 is added after clipping, not before. Their states
restart now and then (one in a hundred windows), which ours do at each epoch
alone. The softmax sees the sum of all layers. The gates of the rounds have no
biases, as in the paper's equations; those of the authors' code have, which is
--config.model.options.round_biases=true.
"""

from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import WordLMConfig
from lstm_jax.training.averaging import AveragingConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule

WINDOW, STEPS_PER_EPOCH = 70, 207
SIZES = {"": 912, "lstm": 948, "tiny": 912}


def get_config(variant: str = "") -> Config:
  size = SIZES[check_variant(variant, SIZES)]
  config = Config(
    task=WordLMConfig(corpus="ptb.zip", window=WINDOW),
    model=LanguageModelConfig(
      cell="mogrifier",
      options=CellOptions(rounds=5, rank=84, cap_input_gate=True),
      embedding_size=size,
      hidden_sizes=(size, size),
      sum_layers=True,
      tied=True,
      dropout=Dropout(
        input=0.729, between=0.291, recurrent=0.387, output=0.716
      ),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=0.0023,
      beta1=0.0,
      beta2=0.999,
      schedule=Schedule.CONSTANT,
      clip_norm=10 / WINDOW,
      l2=2.5e-4 / WINDOW,
    ),
    train=TrainConfig(
      seed=0,
      steps=400 * STEPS_PER_EPOCH,
      batch_size=64,
      validate_every=STEPS_PER_EPOCH,
      validation_streams=32,
      averaging=AveragingConfig(name="non_monotone", patience=50),
    ),
    run=RunConfig(log_every=50, save_every=500, sample_length=50),
  )
  if variant == "lstm":
    config.model.cell = "lstm"
    config.model.options = CellOptions(cap_input_gate=True)
  return shrink(config) if variant == "tiny" else config
