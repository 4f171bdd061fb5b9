"""The tasks a config can name, by the class of their config."""

from lstm_jax.tasks.adding import AddingConfig
from lstm_jax.tasks.char_lm import CharLMConfig
from lstm_jax.tasks.continual_reber import ContinualReberConfig
from lstm_jax.tasks.counting import CountingConfig
from lstm_jax.tasks.embedded_reber import EmbeddedReberConfig
from lstm_jax.tasks.long_lag import LongLagConfig
from lstm_jax.tasks.multiplication import MultiplicationConfig
from lstm_jax.tasks.temporal_order import TemporalOrderConfig
from lstm_jax.tasks.two_sequence import TwoSequenceConfig

TASKS = {
  "char_lm": CharLMConfig,
  "adding": AddingConfig,
  "multiplication": MultiplicationConfig,
  "temporal_order": TemporalOrderConfig,
  "long_lag": LongLagConfig,
  "two_sequence": TwoSequenceConfig,
  "embedded_reber": EmbeddedReberConfig,
  "continual_reber": ContinualReberConfig,
  "counting": CountingConfig,
}
