"""AWD-LSTM: every part of an LSTM language model regularised.

Merity, Keskar & Socher 2018, "Regularizing and optimizing LSTM language
models", ICLR, and "An analysis of neural language modeling at multiple scales",
arXiv 1803.08240, with the settings of the authors' code:

  python -m experiments.train --config=configs/awd_lstm.py:ptb \\
      --workdir=runs/awd --config.task.corpus=FOLDER_OR_ZIP
  python -m experiments.train --config=configs/awd_lstm.py:ptb_finetune \\
      --workdir=runs/awd_tuned --config.task.corpus=FOLDER_OR_ZIP \\
      --config.train.init_from=runs/awd

  :ptb        24.2M parameters, 500 epochs; test perplexity in the paper 58.8,
              57.3 after fine-tuning
  :wikitext2  33.5M, 750 epochs; 66.0, 65.8 after fine-tuning
  :ptb_20     the first 20 epochs of :ptb
  :ptb_finetune, :wikitext2_finetune  go on from `train.init_from`, averaging
              from the first update; the authors' end when validation no longer
              improves, these after as many epochs as training
  :ptb_chars  13.8M, 500 epochs; 1.175 bits per character
  :enwik8     47M, 50 epochs of its bytes; 1.232 bits per character
  :tiny       seconds, on the standard library

The words' networks learn by SGD, and by its averages once validation no longer
improves (NT-ASGD); the characters' by Adam. A window has a length of its own,
and the learning rate grows with it. Weights start in this library's way, not as
torch's do, and there is one bias, not two: the authors count 24,221,600 for
:ptb. An epoch's steps are the mean, as windows differ.
"""

import dataclasses

from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import ByteLMConfig, CharLMConfig, WordLMConfig
from lstm_jax.training.averaging import AveragingConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule


@dataclasses.dataclass(frozen=True)
class Recipe:
  task: type
  corpus: str
  sizes: tuple[int, int, int, int]  # embedding and three layers
  dropout: Dropout
  window: int
  batch_size: int
  steps_per_epoch: int
  epochs: int
  learning_rate: float
  decay_epochs: tuple[int, ...] = ()  # of Adam; SGD has none


def _dropout(input, between, output, embedding, weight):
  return Dropout(
    input=input,
    between=between,
    output=output,
    embedding=embedding,
    weight=weight,
    locked=True,
  )


RECIPES = {
  "ptb": Recipe(
    WordLMConfig,
    "ptb.zip",
    (400, 1150, 1150, 400),
    _dropout(0.4, 0.25, 0.4, 0.1, 0.5),
    *(70, 20, 685, 500, 30.0),
  ),
  "wikitext2": Recipe(
    WordLMConfig,
    "wikitext-2",
    (400, 1150, 1150, 400),
    _dropout(0.65, 0.2, 0.4, 0.1, 0.5),
    *(70, 80, 385, 750, 30.0),
  ),
  "ptb_chars": Recipe(
    CharLMConfig,
    "ptb_chars",
    (200, 1000, 1000, 200),
    _dropout(0.1, 0.25, 0.1, 0.0, 0.5),
    *(150, 128, 269, 500, 2e-3),
    decay_epochs=(300, 400),
  ),
  "enwik8": Recipe(
    ByteLMConfig,
    "enwik8",
    (400, 1840, 1840, 400),
    _dropout(0.1, 0.1, 0.4, 0.0, 0.2),
    *(200, 128, 3614, 50, 1e-3),
    decay_epochs=(25, 35),
  ),
}
FINETUNE, START = "_finetune", "_20"
VARIANTS = (
  *RECIPES,
  *(name + FINETUNE for name in ("ptb", "wikitext2")),
  "ptb" + START,
  "tiny",
)


def get_config(variant: str = "ptb") -> Config:
  check_variant(variant, VARIANTS)
  if variant == "tiny":
    return shrink(get_config())
  r = RECIPES[variant.removesuffix(FINETUNE).removesuffix(START)]
  epochs = 20 if variant.endswith(START) else r.epochs
  words = not r.decay_epochs
  averaging = "non_monotone" if words else "never"
  schedule = {"schedule": Schedule.MILESTONES, "decay": 0.1}
  return Config(
    task=r.task(corpus=r.corpus, window=r.window, window_spread=5.0),
    model=LanguageModelConfig(
      cell="lstm",
      options=CellOptions(forget_bias=0.0),
      embedding_size=r.sizes[0],
      hidden_sizes=r.sizes[1:],
      tied=True,
      dropout=dataclasses.replace(r.dropout),
      activation_l2=2.0 if words else 0.0,
      slowness_l2=1.0 if words else 0.0,
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.SGD if words else Optimizer.ADAM,
      learning_rate=r.learning_rate,
      decay_epochs=r.decay_epochs,
      **({} if words else schedule),
      clip_norm=0.25,
      l2=1.2e-6,
    ),
    train=TrainConfig(
      seed=0,
      steps=epochs * r.steps_per_epoch,
      batch_size=r.batch_size,
      validate_every=r.steps_per_epoch,
      validation_streams=10,
      averaging=AveragingConfig(
        name="always" if variant.endswith(FINETUNE) else averaging, patience=5
      ),
    ),
    run=RunConfig(log_every=50, save_every=500, sample_length=100),
  )
