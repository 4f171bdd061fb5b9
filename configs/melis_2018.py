"""LSTMs whose settings were searched for: tied, capped gates, skips.

Melis, Dyer & Blunsom 2018, "On the state of the art of evaluation in neural
language models", ICLR, on the words of the Penn Treebank, with the settings
that the authors' code was published with:

  python -m experiments.train --config=configs/melis_2018.py:24m \\
      --workdir=runs/melis --config.task.corpus=FOLDER_OR_ZIP

  :10m   one layer of 1194, embeddings of 268; test perplexity in the paper 59.6
  :24m   four layers of 723; 58.3
  :tiny  seconds, on the standard library

Read as: the softmax sees the sum of all layers; Adam without momentum stands
for their RMSprop. Their loss is a sum over the steps of a window and ours a
mean: clipping norm and l2 are divided by it, and the l2 is added after
clipping, not before. Their states restart now and then (one in a hundred
windows), which ours do at each epoch alone. The plateau of the learning rate
and the number of epochs are our choices.
"""

from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import WordLMConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule

WINDOW, STEPS_PER_EPOCH = 35, 414


def get_config(variant: str = "24m") -> Config:
  check_variant(variant, ("10m", "24m", "tiny"))
  config = Config(
    task=WordLMConfig(corpus="ptb.zip", window=WINDOW),
    model=LanguageModelConfig(
      cell="lstm",
      options=CellOptions(cap_input_gate=True),
      embedding_size=723,
      hidden_sizes=(723,) * 4,
      sum_layers=True,
      tied=True,
      dropout=Dropout(
        input=0.68697,
        between=0.31323,
        recurrent=0.48479,
        output=0.69626,
      ),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=0.003339,
      beta1=0.0,
      beta2=0.999,
      schedule=Schedule.PLATEAU,
      decay=0.1,
      patience=30,
      clip_norm=10 / WINDOW,
      l2=9.3711e-5 / WINDOW,
    ),
    train=TrainConfig(
      seed=0,
      steps=300 * STEPS_PER_EPOCH,
      batch_size=64,
      validate_every=STEPS_PER_EPOCH,
      validation_streams=32,
    ),
    run=RunConfig(log_every=50, save_every=500, sample_length=50),
  )
  if variant == "10m":
    config.model.hidden_sizes, config.model.embedding_size = (1194,), 268
    config.model.sum_layers, config.model.project = False, True
    config.model.dropout = Dropout(input=0.58, recurrent=0.215, output=0.327)
    config.optimizer.learning_rate = 0.00418
    config.optimizer.l2 = 1.2435e-4 / WINDOW
  return shrink(config) if variant == "tiny" else config
