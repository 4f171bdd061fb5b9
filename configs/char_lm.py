"""A character LSTM on the Python standard library's own source.

  python -m experiments.train --config=configs/char_lm.py --workdir=runs/char_lm

One layer of 256 units, truncated backpropagation over 128 characters, Adam with
cosine decay. Two cores of an Intel Xeon, Python 3.12.1, seed 0: 3 min 58 s,
validation 1.842 bits per character in 32 streams, 1.839 in one.

  :tiny   seconds, for tests
  :large  two layers of 1024 units with dropout, meant for an accelerator; no
          score of it is recorded
"""

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import CharLMConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule


def get_config(variant: str = "") -> Config:
  config = Config(
    task=CharLMConfig(corpus="stdlib", window=128),
    model=LanguageModelConfig(
      cell="lstm",
      options=CellOptions(forget_bias=1.0),
      hidden_sizes=(256,),
      embedding_size=64,
      tied=False,
      chunk=0,
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=4e-3,
      schedule=Schedule.COSINE,
      final_fraction=0.0,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      seed=0,
      steps=2000,
      batch_size=32,
      validate_every=250,
      validation_streams=32,
    ),
    run=RunConfig(log_every=20, save_every=200, sample_length=400),
  )
  match variant:
    case "":
      pass
    case "tiny":
      config.task.window = 16
      config.task.limit = 20_000
      config.model.hidden_sizes = (16,)
      config.model.embedding_size = 8
      config.model.chunk = 0
      config.train.steps = 40
      config.train.batch_size = 8
      config.train.validate_every = 20
      config.run.log_every = 5
      config.run.save_every = 10
      config.run.sample_length = 80
    case "large":
      config.model.hidden_sizes = (1024, 1024)
      config.model.embedding_size = 256
      config.model.dropout.input = 0.3
      config.model.dropout.between = 0.3
      config.model.dropout.output = 0.3
      config.optimizer.learning_rate = 1e-3
      config.optimizer.warmup_steps = 500
      config.train.steps = 20_000
      config.train.batch_size = 64
      config.train.validate_every = 1000
    case _:
      raise ConfigError(f'no variant "{variant}"; there are tiny and large')
  return config
