"""Seven tasks of the Chomsky hierarchy, each with an LSTM and a tanh network.

Deletang et al. 2023, "Neural Networks and the Chomsky Hierarchy", ICLR. A
variant is a task and a cell, lstm or rnn:

  python -m experiments.train --config=configs/deletang_2023.py:parity-lstm \\
      --workdir=runs/parity-lstm

Strings of 1 to 40 symbols, as there; python -m scripts.reproduce
--paper=deletang_2023 scores them at 41 to 500. The network has 64 units in
place of 256, and 100,000 updates in place of a million. No trial ends early, as
strings of 40 symbols are right long before longer ones are.
"""

from configs._recipes import shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.tasks.registry import TASKS
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule

NAMES = (
  "even_pairs",
  "modular_arithmetic",
  "parity",
  "cycle_navigation",
  "bucket_sort",
  "reverse_string",
  "duplicate_string",
)
VARIANTS = [f"{name}-{cell}" for name in NAMES for cell in ("lstm", "rnn")]


def get_config(variant: str = "parity-lstm") -> Config:
  if variant == "tiny":
    config = shrink(get_config())
    config.task.length = 8
    config.train.trials = 2
    return config
  if variant not in VARIANTS:
    raise ConfigError(
      f'no variant "{variant}"; there are tiny, {", ".join(VARIANTS)}'
    )
  name, cell = variant.split("-")
  return Config(
    task=TASKS[name](length=40, evaluation_sequences=512),
    model=SequenceModelConfig(cell=cell, hidden_sizes=(64,)),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=3e-3 if cell == "lstm" else 1e-3,
      schedule=Schedule.COSINE,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      steps=100_000,
      batch_size=32,
      trials=3,
      steps_per_call=100,
      validate_every=5000,
      validation_streams=256,
    ),
    run=RunConfig(log_every=500, save_every=2000, tensorboard=False),
  )
