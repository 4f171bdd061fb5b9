"""The continual embedded Reber grammar with forget gates and without.

Gers, Schmidhuber & Cummins 2000, "Learning to Forget: Continual Prediction with
LSTM", Neural Computation 12(10):

  python -m experiments.train --config=configs/gers_2000.py:forget \\
      --workdir=runs/forget

The variant "standard" has the memory blocks of 1997 and their truncated
gradient instead, the paper's baseline; "none" is the network of "forget" with
f = 1. Ten trials learn windows of 200 symbols, each from the initial state on,
in batches with Adam; python -m scripts.reproduce --paper=gers_2000 tests them
on streams of 10,000 symbols.
"""

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.tasks.continual_reber import ContinualReberConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule

BIASES = (-0.5, -1.0, -1.5, -2.0)  # of the gates of the four blocks
# cell and options
VARIANTS = {
  "forget": ("greff", CellOptions(variant="V")),
  "standard": (
    "lstm_1997",
    CellOptions(
      block_size=4,
      init_scale=0.2,
      input_gate_biases=BIASES,
      output_gate_biases=BIASES,
    ),
  ),
  "none": ("greff", CellOptions(variant="NFG")),
}


def get_config(variant: str = "forget") -> Config:
  name = "forget" if variant == "tiny" else variant
  if name not in VARIANTS:
    raise ConfigError(
      f'no variant "{variant}"; there are {", ".join(VARIANTS)} and tiny'
    )
  cell, options = VARIANTS[name]
  config = Config(
    task=ContinualReberConfig(
      loss="cross_entropy", length=200, judge="outer", evaluation_sequences=64
    ),
    model=SequenceModelConfig(cell=cell, options=options, hidden_sizes=(16,)),
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
