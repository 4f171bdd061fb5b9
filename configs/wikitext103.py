"""A large vocabulary: words of WikiText-103 with an adaptive softmax.

Grave, Joulin & Usunier 2017, "Improving neural language models with a
continuous cache", ICLR, arXiv 1612.04426, whose LSTM of 1024 units has a test
perplexity of 48.7, with the adaptive softmax of `layers/adaptive_softmax.py`:

  python -m scripts.prepare_data wikitext103 --source=wikitext-103-v1.zip
  python -m experiments.train --config=configs/wikitext103.py \\
      --workdir=runs/wikitext103

  (default)  one layer of 1024 on embeddings of 256, 267,735 words
  :tiny      seconds, on the standard library

The training split is read from disk, window by window. All but the layer's
width is a choice: the embedding's, the cutoffs, and Adam with cosine decay. No
score is recorded.
"""

from configs._recipes_lm import check_variant, shrink
from lstm_jax.config import Config, RunConfig, TrainConfig
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.tasks.text_config import WordLMConfig
from lstm_jax.training.optimizers import Optimizer, OptimizerConfig, Schedule


def get_config(variant: str = "") -> Config:
  check_variant(variant, ("", "tiny"))
  steps_per_epoch = 23_041
  config = Config(
    task=WordLMConfig(corpus="tfds:wikitext103", stream=True, window=35),
    model=LanguageModelConfig(
      cell="lstm",
      embedding_size=256,
      hidden_sizes=(1024,),
      cutoffs=(20_000, 60_000, 200_000),
    ),
    optimizer=OptimizerConfig(
      name=Optimizer.ADAM,
      learning_rate=1e-3,
      schedule=Schedule.COSINE,
      warmup_steps=1000,
      clip_norm=1.0,
    ),
    train=TrainConfig(
      seed=0,
      steps=5 * steps_per_epoch,
      batch_size=128,
      validate_every=steps_per_epoch,
      validation_streams=64,
    ),
    run=RunConfig(log_every=50, save_every=1000, sample_length=100),
  )
  if variant == "tiny":
    config = shrink(config)
    config.task.stream = False
    config.model.cutoffs = (50, 200)
    config.optimizer.warmup_steps = 5
  return config
