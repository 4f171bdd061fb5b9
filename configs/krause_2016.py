"""The multiplicative LSTM on the bytes of enwik8.

Krause, Lu, Murray & Renals 2016, "Multiplicative LSTM for sequence modelling",
arXiv 1609.07959:

  python -m experiments.train --config=configs/krause_2016.py \\
      --workdir=runs/multiplicative --config.task.corpus=enwik8

  (default)  1900 units on one-hot bytes; 1.42 bits per character in the paper
  :large     2800 units on embeddings of 400, with variational dropout; 1.24
  :tiny      seconds, on the standard library

The cell is the paper's, with the LSTM's usual tanh on cell input and output, as
in the second of the authors' programs (chainer), but for the weight
normalisation of :large. Their first program (MATLAB), which their README names
for the network of the default, has no tanh on the cell input and
h_t = tanh(o_t c_t + b), with a bias b. The optimiser is Adam with cosine decay,
and the rates of :large are a choice.
"""

from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.layers.dropout import Dropout
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import ByteLMConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule


def get_config(variant: str = "") -> Config:
  check_variant(variant, ("", "large", "tiny"))
  steps_per_epoch = 3515
  config = Config(
    task=ByteLMConfig(corpus="enwik8", window=200),
    model=LanguageModelConfig(
      cell="multiplicative", embedding_size=0, hidden_sizes=(1900,)
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=1e-3,
      schedule=Schedule.COSINE,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      seed=0,
      steps=10 * steps_per_epoch,
      batch_size=128,
      validate_every=steps_per_epoch,
      validation_streams=128,
    ),
    run=RunConfig(log_every=50, save_every=500, sample_length=400),
  )
  if variant == "large":
    config.model.embedding_size = 400
    config.model.hidden_sizes = (2800,)
    config.model.dropout = Dropout(
      input=0.2, recurrent=0.2, output=0.2, locked=True
    )
  return shrink(config) if variant == "tiny" else config
