"""Variational dropout: one mask a sequence, on the recurrence too.

Gal & Ghahramani 2016, "A theoretically grounded application of dropout in
recurrent neural networks", NeurIPS, on the networks and the schedule of
configs/zaremba_2014.py:

  python -m experiments.train --config=configs/gal_2016.py:medium \\
      --workdir=runs/gal --config.task.corpus=FOLDER_OR_ZIP
  python -m experiments.evaluate --workdir=runs/gal --mode=mc_dropout \\
      --streams=10

  :medium  19,775,200 parameters; test perplexity in the paper 79.7, with 1000
           samples of its dropout 78.6, where each gate has masks of its own
  :large   66,022,000; 75.0; with masks for each gate 75.2, and 73.4
  :tiny    seconds, on the standard library

The four gates of a layer share a mask, as in the paper's "tied" rows. The rates
of :large are those of the authors' code; what :medium had is in neither paper
nor code, and its rates here are a choice.
"""

from configs import zaremba_2014
from configs._recipes_lm import check_variant
from lstm_jax.config import Config
from lstm_jax.layers.dropout import Dropout

# words and recurrence; inputs of layers and output
RATES = {"medium": (0.2, 0.35), "large": (0.3, 0.5), "tiny": (0.2, 0.35)}


def get_config(variant: str = "medium") -> Config:
  check_variant(variant, RATES)
  low, high = RATES[variant]
  config = zaremba_2014.get_config(variant)
  config.model.dropout = Dropout(
    embedding=low,
    recurrent=low,
    input=high,
    between=high,
    output=high,
    locked=True,
  )
  # The authors subtract 1e-7 of the weights at every update; here that falls
  # with the learning rate.
  config.optimizer.l2 = 1e-7 / config.optimizer.learning_rate
  if variant == "large":
    config.optimizer.decay_from_epoch = 11
  return config
