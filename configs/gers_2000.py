"""The continual embedded Reber grammar with forget gates and without.

Gers, Schmidhuber & Cummins 2000, "Learning to Forget: Continual Prediction with
LSTM", Neural Computation 12(10):

  python -m experiments.train --config=configs/gers_2000.py:forget \\
      --workdir=runs/forget

The variant "none" is the same network without forget gates, f = 1. Ten trials
learn windows of 200 symbols, each from the initial state on, in batches with
Adam; python -m scripts.reproduce --paper=gers_2000 tests them on streams of
10,000 symbols.
"""

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.models.config import CellOptions, SequenceModelConfig
from lstm_jax.tasks.continual_reber import ContinualReberConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule

VARIANTS = {"": "V", "forget": "V", "none": "NFG", "tiny": "V"}


def get_config(variant: str = "") -> Config:
  if variant not in VARIANTS:
    raise ConfigError(
      f'no variant "{variant}"; there are forget, none and tiny'
    )
  config = Config(
    task=ContinualReberConfig(
      loss="cross_entropy", length=200, judge="outer", evaluation_sequences=64
    ),
    model=SequenceModelConfig(
      cell="greff",
      options=CellOptions(variant=VARIANTS[variant]),
      hidden_sizes=(16,),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=1e-2,
      schedule=Schedule.COSINE,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      steps=2000,
      batch_size=8,
      trials=10,
      steps_per_call=50,
      validate_every=500,
      validation_streams=64,
    ),
    run=RunConfig(log_every=50, save_every=500, tensorboard=False),
  )
  if variant == "tiny":
    config.task.length = 20
    config.train.trials = 2
    config.train.steps = config.train.validate_every = 20
    config.train.steps_per_call = config.run.log_every = 10
    config.run.save_every = 20
  return config
