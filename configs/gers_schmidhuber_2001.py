"""Counting: networks that learn short strings of a^n b^n, or of a^n b^n c^n,
and are tested on long ones.

Gers & Schmidhuber 2001, "LSTM Recurrent Networks Learn Simple Context-Free and
Context-Sensitive Languages", IEEE Transactions on Neural Networks 12(6). The
variants are ab, learned for n = 1 to 10, and abc, for n = 1 to 40; ten trials
each:

  python -m experiments.train --config=configs/gers_schmidhuber_2001.py:ab \\
      --workdir=runs/ab

Peephole networks, as there, trained with Adam in batches. Forget gates start
almost open, so that a cell can count as far as it has to.
"""

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.tasks.counting import CountingConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule

# letters, largest n of training, hidden units, updates
VARIANTS = {
  "ab": (2, 10, 4, 6000),
  "abc": (3, 40, 6, 20_000),
  "tiny": (2, 4, 4, 20),
}


def get_config(variant: str = "ab") -> Config:
  if variant not in VARIANTS:
    raise ConfigError(
      f'no variant "{variant}"; there are {", ".join(VARIANTS)}'
    )
  letters, largest, hidden_size, steps = VARIANTS[variant]
  tiny = variant == "tiny"
  return Config(
    task=CountingConfig(
      loss="binary",
      letters=letters,
      largest=largest,
      evaluation_sequences=16 if tiny else 2560,
    ),
    model=SequenceModelConfig(
      cell="peephole",
      options=CellOptions(forget_bias=5.0),
      hidden_sizes=(hidden_size,),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=1e-2,
      schedule=Schedule.COSINE,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      steps=steps,
      batch_size=16,
      trials=2 if tiny else 10,
      steps_per_call=10 if tiny else 100,
      validate_every=steps // 2,
      validation_streams=16 if tiny else 256,
    ),
    run=RunConfig(
      log_every=10 if tiny else 100,
      save_every=steps // 2,
      tensorboard=False,
    ),
  )
