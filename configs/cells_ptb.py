"""Cells compared on the words of the Penn Treebank, at equal parameters.

Not a paper's table: one recipe for all, an embedding of 128 that is tied to the
softmax, one layer, and as many hidden units as make 2 million parameters.

  python -m experiments.train --config=configs/cells_ptb.py:lstm-0.008 \\
      --workdir=runs/cells_lstm --config.task.corpus=FOLDER_OR_ZIP

  :lstm, :peephole, :coupled, :layer_norm, :mogrifier, :slstm
             five epochs of Adam with cosine decay, at the rate 0.004, or at
             another one, which follows the name
  :tiny      seconds, on the standard library

:coupled is Greff et al.'s CIFG, whose input gate is 1 - f, with peepholes.
"""

from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import WordLMConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule

PARAMETERS = 2_000_000  # with a vocabulary of 10,000
CELLS = {  # variant: the cell, its options, hidden units
  "lstm": ("lstm", {}, 348),
  "peephole": ("peephole", {}, 348),
  "coupled": ("greff", {"variant": "CIFG"}, 408),
  "layer_norm": ("layer_norm", {}, 348),
  "mogrifier": ("mogrifier", {"rounds": 5}, 292),
  "slstm": ("slstm", {"heads": 4}, 580),
}
RATES = (0.002, 0.004, 0.008)


def get_config(variant: str = "lstm") -> Config:
  name, _, rate = variant.partition("-")
  check_variant(name, (*CELLS, "tiny"))
  if rate and rate not in map(str, RATES):
    raise ConfigError(
      f'no rate "{rate}"; there are {", ".join(map(str, RATES))}'
    )
  cell, options, hidden_size = CELLS["lstm" if name == "tiny" else name]
  steps_per_epoch = 1327
  config = Config(
    task=WordLMConfig(corpus="ptb.zip", window=35),
    model=LanguageModelConfig(
      cell=cell,
      options=CellOptions(**options),
      embedding_size=128,
      hidden_sizes=(hidden_size,),
      tied=True,
      project=True,
      dropout=Dropout(input=0.2, output=0.2),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=float(rate or 0.004),
      schedule=Schedule.COSINE,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      seed=0,
      steps=5 * steps_per_epoch,
      batch_size=20,
      validate_every=steps_per_epoch,
      validation_streams=20,
    ),
    run=RunConfig(log_every=50, save_every=500, sample_length=50),
  )
  return shrink(config) if name == "tiny" else config
