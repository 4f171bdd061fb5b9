"""State tracking against recall: what recurrent weights and what a matrix
memory are for.

After Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", NeurIPS, who
show the contrast on formal languages and on multi-query associative recall. A
variant is a task, parity or recall, and a cell: lstm, slstm, matrix_lstm (that
is mLSTM) or min_lstm:

  python -m experiments.train --config=configs/beck_2024.py:parity-slstm \\
      --workdir=runs/parity-slstm

Below the layer of that cell every network has one of minLSTM, which can give a
step what the one before was, as the causal convolution does in xLSTM's blocks.
It has no recurrent weights and thus tracks no state.
"""

from configs._recipes import shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.tasks.associative_recall import AssociativeRecallConfig
from lstm_jax.tasks.chomsky_regular import ParityConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule
from lstm_jax.training.stopping import StopConfig

CELLS = ("lstm", "slstm", "matrix_lstm", "min_lstm")
VARIANTS = [f"{task}-{cell}" for task in ("parity", "recall") for cell in CELLS]


def get_config(variant: str = "parity-lstm") -> Config:
  if variant == "tiny":
    config = shrink(get_config())
    config.task.length = 8
    return config
  if variant not in VARIANTS:
    raise ConfigError(
      f'no variant "{variant}"; there are tiny, {", ".join(VARIANTS)}'
    )
  task, cell = variant.split("-")
  made = ParityConfig(length=40)
  if task == "recall":
    made = AssociativeRecallConfig(
      length=32, pairs=8, queries=8, vocabulary=32, filler="blank"
    )
  return Config(
    task=made,
    model=SequenceModelConfig(
      cell=f"min_lstm,{cell}",
      hidden_sizes=(32, 32),
      embedding_size=32,
      residual=True,
      engine="scan",  # "parallel" takes long to compile
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=5e-3,
      schedule=Schedule.COSINE,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      steps=3000,
      batch_size=64,
      trials=3,
      steps_per_call=50,
      stop=StopConfig(name="set", sequences=256),
      validate_every=500,
      validation_streams=256,
    ),
    run=RunConfig(log_every=50, save_every=250, tensorboard=False),
  )
