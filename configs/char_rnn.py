"""Characters of tiny Shakespeare, as char-rnn learns them.

Karpathy 2015, "The unreasonable effectiveness of recurrent neural networks",
with the defaults of its code: two layers of 128, one-hot characters, RMSprop,
gradients clipped number by number.

  python -m experiments.train --config=configs/char_rnn.py \\
      --workdir=runs/shakespeare --config.task.corpus=tiny_shakespeare.txt

The code's split is 95/5 without a test split: the default here. Its gradients
are sums over a window, ours a mean: the bound 5 is 5 / 50 here.

  :regularised  two layers of 256 with dropout, split 90/10
  :adam         two layers of 384 with dropout, split 90/10, Adam with cosine
                decay
  :tiny         seconds, on the standard library
"""

from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import CharLMConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule


def get_config(variant: str = "") -> Config:
  check_variant(variant, ("", "regularised", "adam", "tiny"))
  steps_per_epoch = 423
  config = Config(
    task=CharLMConfig(
      corpus="tiny_shakespeare.txt", percent=(95, 5, 0), window=50
    ),
    model=LanguageModelConfig(
      cell="lstm", embedding_size=0, hidden_sizes=(128, 128)
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.RMSPROP,
      learning_rate=2e-3,
      schedule=Schedule.STEP,
      decay=0.97,
      decay_from_epoch=10,
      clip_norm=0.0,
      clip_value=5 / 50,
      rms_decay=0.95,
    ),
    train=TrainConfig(
      seed=0,
      steps=50 * steps_per_epoch,
      batch_size=50,
      validate_every=steps_per_epoch,
      validation_streams=50,
    ),
    run=RunConfig(log_every=50, save_every=500, sample_length=400),
  )
  if variant == "regularised":
    config.task.percent = (90, 10, 0)
    config.model.hidden_sizes = (256, 256)
    config.model.dropout = Dropout(between=0.25, output=0.25)
  if variant == "adam":
    _use_adam(config)
  return shrink(config) if variant == "tiny" else config


def _use_adam(config: Config):
  """Windows of 128 characters in 32 streams: 245 updates an epoch."""
  steps_per_epoch = 245
  config.task.percent = (90, 10, 0)
  config.task.window = 128
  config.model.embedding_size = 64
  config.model.hidden_sizes = (384, 384)
  config.model.dropout = Dropout(between=0.3, output=0.3)
  config.optimizer = OptimizerConfig(
    name=Optimizer.ADAM,
    learning_rate=3e-3,
    schedule=Schedule.COSINE,
    clip_norm=1.0,
  )
  config.train.batch_size = config.train.validation_streams = 32
  config.train.steps = 20 * steps_per_epoch
  config.train.validate_every = steps_per_epoch
