"""xLSTM[1:0], a stack of mLSTM blocks, on characters.

Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", arXiv 2405.04517:
residual blocks with a matrix memory and no recurrent weights, so that the steps
of a piece of the text are computed at once. The text of the default is that of
`configs/char_lm.py`:

  python -m experiments.train --config=configs/xlstm.py --workdir=runs/xlstm
  python -m experiments.train --config=configs/xlstm.py:enwik8 \\
      --workdir=runs/xlstm_enwik8 --config.task.corpus=enwik8

  (default)  4 blocks of width 128 with 4 heads, the size of the LSTM there
  :enwik8    12 blocks of width 512, meant for an accelerator
  :tiny      seconds, for tests

The optimiser is the paper's, AdamW with warm-up and cosine decay; sizes and
rates are a choice, and no score is recorded. `cells/matrix_lstm_block.py` says
how the blocks differ from the authors' code.
"""

from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.models.cell_options import CellOptions
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import ByteLMConfig, CharLMConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule


def get_config(variant: str = "") -> Config:
  check_variant(variant, ("", "enwik8", "tiny"))
  config = Config(
    task=CharLMConfig(corpus="stdlib", window=128),
    model=LanguageModelConfig(
      cell="matrix_lstm_block",
      options=CellOptions(heads=4),
      embedding_size=128,
      hidden_sizes=(128,) * 4,
      residual=True,
      output_norm=True,
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAMW,
      learning_rate=4e-3,
      schedule=Schedule.COSINE,
      warmup_steps=100,
      final_fraction=0.1,
      clip_norm=1.0,
      beta2=0.95,
      weight_decay=0.1,
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
  if variant == "enwik8":
    steps_per_epoch = 2746
    config.task = ByteLMConfig(corpus="enwik8", window=512)
    config.model.embedding_size = 512
    config.model.hidden_sizes = (512,) * 12
    config.model.options.heads = 8
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = 500
    config.train.steps = 20 * steps_per_epoch
    config.train.batch_size = config.train.validation_streams = 64
    config.train.validate_every = steps_per_epoch
  if variant == "tiny":
    config = shrink(config)
    config.optimizer.warmup_steps = 5
    config.model.hidden_sizes = config.model.hidden_sizes[:2]
  return config
