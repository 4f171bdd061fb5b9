"""The models a config can name, by the class of their config."""

import dataclasses

from lstm_jax.models.base import ModelConfig
from lstm_jax.models.encoder_decoder import EncoderDecoderConfig
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.models.sequence_model import SequenceModelConfig
from lstm_jax.models.window import WindowConfig

MODELS = {
  "language_model": LanguageModelConfig,
  "sequence_model": SequenceModelConfig,
  "encoder_decoder": EncoderDecoderConfig,
  "window": WindowConfig,
}


def as_model(model: ModelConfig, name: str) -> ModelConfig:
  """The default config of the model that is named, with the values of the
  fields that both have; a model of that name, or of none, as it is."""
  kind = MODELS.get(name, type(model))
  if type(model) is kind:
    return model
  names = {f.name for f in dataclasses.fields(kind)} - {"name"}
  shared = names & {f.name for f in dataclasses.fields(model)}
  return kind(**{each: getattr(model, each) for each in shared})
