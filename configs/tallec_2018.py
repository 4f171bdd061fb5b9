"""Chrono initialisation against a forget bias of 1.

Tallec & Ollivier 2018, "Can recurrent neural networks warp time?", ICLR. A
variant is a task, its T, and the initialisation, chrono or bias:

  python -m experiments.train --config=configs/tallec_2018.py:copy-200-chrono \\
      --workdir=runs/copy-200-chrono

As there: RMSprop with the rate 1e-3 and decay 0.9, no clipping, and chrono
biases for 3T/2 steps in copying and T in adding. Copying has the paper's 128
units and batches of 50; adding has 32 units and batches of 16.
"""

from typing import NamedTuple

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.tasks.adding import AddingConfig
from lstm_jax.tasks.copy_memory import CopyMemoryConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig
from lstm_jax.training.stopping import StopConfig


class Size(NamedTuple):
  updates: int
  units: int = 32
  batch: int = 16
  trials: int = 3


SIZES = {  # task: {T: size}
  "copy": {200: Size(30_000, 128, 50, 1), 500: Size(30_000, 128, 50, 1)},
  "adding": {200: Size(12_000), 750: Size(20_000)},
}
VARIANTS = [
  f"{task}-{length}-{start}"
  for task, lengths in SIZES.items()
  for length in lengths
  for start in ("chrono", "bias")
]


def get_config(variant: str = "copy-200-chrono") -> Config:
  if variant == "tiny":
    return _tiny(get_config())
  if variant not in VARIANTS:
    raise ConfigError(
      f'no variant "{variant}"; there are tiny, {", ".join(VARIANTS)}'
    )
  task, length, start = variant.split("-")
  length = int(length)
  size = SIZES[task][length]
  if task == "copy":
    made = CopyMemoryConfig(length=length, evaluation_sequences=512)
    longest, stop = 1.5 * length, StopConfig()
  else:
    made = AddingConfig(variant="le", length=length, evaluation_sequences=512)
    longest = float(length)
    stop = StopConfig(
      name="set",
      sequences=256,
      misses=256,
      mean_error=(0.01,),
      error="squared",
    )
  return Config(
    task=made,
    model=SequenceModelConfig(
      cell="lstm",
      options=CellOptions(chrono=longest if start == "chrono" else 0.0),
      hidden_sizes=(size.units,),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.RMSPROP,
      learning_rate=1e-3,
      rms_decay=0.9,
      clip_norm=0.0,
    ),
    train=TrainConfig(
      steps=size.updates,
      batch_size=size.batch,
      trials=size.trials,
      steps_per_call=25,
      validate_every=200,
      validation_streams=256,
      stop=stop,
    ),
    run=RunConfig(log_every=100, save_every=200, tensorboard=False),
  )


def _tiny(config: Config) -> Config:
  config.task.length = 10
  config.task.evaluation_sequences = 16
  config.model.hidden_sizes = (8,)
  config.model.options.chrono = 15.0
  config.train.trials = 2
  config.train.steps = config.train.validate_every = config.run.save_every = 20
  config.train.validation_streams = 16
  config.train.steps_per_call = config.run.log_every = 10
  return config
