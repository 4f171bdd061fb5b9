"""Words backwards: a stand-in for translation, with attention and a beam.

  python -m experiments.train --config=configs/reversed_pairs.py \\
      --workdir=runs/pairs
  python -m experiments.evaluate --workdir=runs/pairs --search.width=8
  echo abcde | python -m experiments.generate --workdir=runs/pairs --input=-
"""

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.models.encoder_decoder import EncoderDecoderConfig
from lstm_jax.tasks.reversed_pairs import ReversedPairsConfig
from lstm_jax.training.optimizers import OptimizerConfig


def get_config(variant: str = "") -> Config:
  config = Config(
    task=ReversedPairsConfig(),
    model=EncoderDecoderConfig(hidden_sizes=(64,), embedding_size=32),
    optimizer=OptimizerConfig(learning_rate=5e-3),
    train=TrainConfig(
      steps=1000, batch_size=32, steps_per_call=50, validate_every=250
    ),
    run=RunConfig(log_every=50, save_every=0),
  )
  if variant == "tiny":
    config.task.evaluation_sequences = 16
    config.model.hidden_sizes = (8,)
    config.train.steps = config.train.validate_every = 50
  elif variant:
    raise ValueError(f'no variant "{variant}"; there is tiny')
  return config
