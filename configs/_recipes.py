"""The recipe that the configs of sequence tasks share: one layer of LSTM with a
forget gate, Adam, gradients clipped at norm 1, fresh sequences in each batch.

Many updates go into one program, as these networks are small. A rule stops the
run once a fixed set of validation sequences is right, all but `misses` of them;
--config.train.stop.name=never trains to the last step.
"""

from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.errors import ConfigError
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.tasks.sequence_task import SequenceTaskConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule
from lstm_jax.training.stopping import StopConfig


def sequence_recipe(
  variant: str,
  tasks: dict[str, SequenceTaskConfig],
  *,
  hidden_size: int,
  steps: int,
  learning_rate: float = 5e-3,
  forget_bias: float = 1.0,
  chrono: float = 0.0,
  batch_size: int = 32,
  misses: int | None = 0,
  steps_per_call: int = 50,
) -> Config:
  """The config of one of `tasks`, a task for each variant.

  variant: "" is the default. One that ends in "tiny" has a network and a run
    that take seconds.
  forget_bias: what the forget gates start at. Where T steps pass without news,
    about ln T lets the cell remember from the start.
  chrono: in its place, biases for every time up to so many steps (Tallec &
    Ollivier 2018, "Can recurrent neural networks warp time?", ICLR).
  misses: sequences of 256 that may be wrong; None is no stopping rule.
  steps, steps_per_call: validated ten times on the way, so that steps must be
    ten times a multiple of steps_per_call.

  Raises:
    ConfigError: no such variant.
  """
  if variant not in tasks:
    others = ", ".join(name for name in tasks if name)
    raise ConfigError(f'no variant "{variant}"; there are {others}')
  config = Config(
    task=tasks[variant],
    model=SequenceModelConfig(
      cell="lstm",
      options=CellOptions(forget_bias=forget_bias, chrono=chrono),
      hidden_sizes=(hidden_size,),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=learning_rate,
      schedule=Schedule.COSINE,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      seed=0,
      steps=steps,
      batch_size=batch_size,
      steps_per_call=steps_per_call,
      stop=StopConfig()
      if misses is None
      else StopConfig(name="set", sequences=256, misses=misses),
      validate_every=0,
      validation_streams=256,
    ),
    run=RunConfig(
      log_every=steps_per_call, save_every=steps // 10, tensorboard=False
    ),
  )
  return shrink(config) if variant.endswith("tiny") else config


def shrink(config: Config) -> Config:
  """The same task on a network and a run that take seconds."""
  config.model.hidden_sizes = (8,) * len(config.model.hidden_sizes)
  if config.model.embedding_size:
    config.model.embedding_size = 8
  if "evaluation_sequences" not in config.task.UNUSED:
    config.task.evaluation_sequences = 16
  config.train.validation_streams = 16
  if config.train.stop.name != "never":
    config.train.stop.sequences = 16
  config.train.batch_size = 4
  config.train.steps = 20
  config.train.steps_per_call = config.run.log_every = 10
  config.train.validate_every = config.run.save_every = 10
  return config
