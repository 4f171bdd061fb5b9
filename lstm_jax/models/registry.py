"""The models a config can name, by the class of their config."""

from lstm_jax.models.config import LanguageModelConfig, SequenceModelConfig
from lstm_jax.models.encoder_decoder import EncoderDecoderConfig

MODELS = {
  "language_model": LanguageModelConfig,
  "sequence_model": SequenceModelConfig,
  "encoder_decoder": EncoderDecoderConfig,
}
