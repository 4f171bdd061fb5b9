"""The models a config can name, by the class of their config."""

from lstm_jax.models.encoder_decoder import EncoderDecoderConfig
from lstm_jax.models.language_model import LanguageModelConfig
from lstm_jax.models.sequence_model import SequenceModelConfig

MODELS = {
  "language_model": LanguageModelConfig,
  "sequence_model": SequenceModelConfig,
  "encoder_decoder": EncoderDecoderConfig,
}
