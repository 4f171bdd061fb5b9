"""One matrix for the embedding and the softmax.

Press & Wolf 2017, "Using the output embedding to improve language models",
EACL, on the networks and the schedule of configs/zaremba_2014.py:

  python -m experiments.train --config=configs/press_wolf_2017.py:large \\
      --workdir=runs/tied --config.task.corpus=FOLDER_OR_ZIP

  :small  2,651,600 parameters; test perplexity in the paper 112.4
  :large  51,022,000; 74.3
  :tiny   seconds, on the standard library

Their variant with a projection before the softmax is `model.project`, without
the penalty that they put on it.
"""

from configs import zaremba_2014
from configs._recipes_lm import check_variant
from lstm_jax.config import Config


def get_config(variant: str = "small") -> Config:
  config = zaremba_2014.get_config(
    check_variant(variant, ("small", "large", "tiny"))
  )
  config.model.tied = True
  return config
