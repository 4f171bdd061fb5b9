"""A mixture of softmaxes on AWD-LSTM.

Yang, Dai, Salakhutdinov & Cohen 2018, "Breaking the softmax bottleneck: a
high-rank RNN language model", ICLR, on the words of the Penn Treebank:

  python -m experiments.train --config=configs/yang_2018.py \\
      --workdir=runs/mixture --config.task.corpus=FOLDER_OR_ZIP

  (default)  15 experts, 22M parameters, 1000 epochs; test perplexity in the
             paper 55.97, 54.44 after fine-tuning
  :finetune  goes on from `train.init_from`, averaging from the first update
  :tiny      seconds, on the standard library

Everything else is as in configs/awd_lstm.py.
"""

from configs import awd_lstm
from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config
from lstm_jax.layers.dropout import Dropout


def get_config(variant: str = "") -> Config:
  check_variant(variant, ("", "finetune", "tiny"))
  finetune = variant == "finetune"
  config = awd_lstm.get_config("ptb_finetune" if finetune else "ptb")
  model = config.model
  model.embedding_size, model.hidden_sizes = 280, (960, 960, 620)
  model.experts, model.latent_dropout = 15, 0.29
  model.dropout = Dropout(
    input=0.4,
    between=0.225,
    output=0.4,
    embedding=0.1,
    weight=0.5,
    locked=True,
  )
  config.optimizer.learning_rate = 25.0 if finetune else 20.0
  steps_per_epoch = 1144
  config.train.batch_size = 12
  config.train.steps = 1000 * steps_per_epoch
  config.train.validate_every = steps_per_epoch
  return shrink(config) if variant == "tiny" else config
