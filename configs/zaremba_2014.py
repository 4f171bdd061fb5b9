"""Words of the Penn Treebank with the three networks of Zaremba et al. 2014.

Zaremba, Sutskever & Vinyals 2014, "Recurrent neural network regularization",
arXiv 1409.2329. The text is Mikolov's, three files named ptb.*.txt:

  python -m experiments.train --config=configs/zaremba_2014.py:small \\
      --workdir=runs/zaremba_small --config.task.corpus=FOLDER_OR_ZIP

The paper's gradient is a sum over the time steps of a window and a mean over
the streams; ours is a mean over both. Its learning rate 1 and clipping norm 5
are therefore 1 x window and 5 / window here: the same updates.

  :small   2 x 200, 13 epochs, no dropout; test perplexity in the paper 114.5
  :medium  2 x 650, 39 epochs; 82.7
  :large   2 x 1500, 55 epochs; 78.4
  :tiny    seconds, on the standard library
"""

import dataclasses

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import WordLMConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule


@dataclasses.dataclass(frozen=True)
class Recipe:
  hidden_size: int
  window: int
  steps_per_epoch: int  # of the Penn Treebank in 20 streams
  epochs: int
  decay: float  # of the learning rate at every epoch
  decay_from_epoch: int  # from 0 on
  dropout: float
  init_scale: float
  clip_norm: float


RECIPES = {
  "small": Recipe(200, 20, 2323, 13, 1 / 2, 4, 0.0, 0.1, 5),
  "medium": Recipe(650, 35, 1327, 39, 1 / 1.2, 6, 0.5, 0.05, 5),
  "large": Recipe(1500, 35, 1327, 55, 1 / 1.15, 14, 0.65, 0.04, 10),
  "tiny": Recipe(16, 5, 20, 2, 1 / 2, 1, 0.1, 0.1, 5),
}


def get_config(variant: str = "small") -> Config:
  if variant not in RECIPES:
    raise ConfigError(f'no variant "{variant}"; there are {", ".join(RECIPES)}')
  r, tiny = RECIPES[variant], variant == "tiny"
  return Config(
    task=WordLMConfig(
      corpus="stdlib" if tiny else "ptb.zip",
      window=r.window,
      limit=20_000 if tiny else 0,
    ),
    model=LanguageModelConfig(
      cell="lstm",
      hidden_sizes=(r.hidden_size, r.hidden_size),
      embedding_size=r.hidden_size,
      dropout=Dropout(input=r.dropout, between=r.dropout, output=r.dropout),
      init_scale=r.init_scale,
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.SGD,
      learning_rate=float(r.window),
      schedule=Schedule.STEP,
      decay=r.decay,
      decay_from_epoch=r.decay_from_epoch,
      clip_norm=r.clip_norm / r.window,
    ),
    train=TrainConfig(
      seed=0,
      steps=r.epochs * r.steps_per_epoch,
      batch_size=4 if tiny else 20,
      validate_every=r.steps_per_epoch,
      validation_streams=4 if tiny else 20,
    ),
    run=RunConfig(
      log_every=5 if tiny else 50,
      save_every=10 if tiny else 500,
      sample_length=50,
    ),
  )
