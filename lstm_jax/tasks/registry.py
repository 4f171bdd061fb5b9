"""The tasks a config can name, by the class of their config."""

from lstm_jax.tasks.char_lm import CharLMConfig
from lstm_jax.tasks.digits import DigitsConfig
from lstm_jax.tasks.piano_rolls import PianoRollsConfig

TASKS = {
  "char_lm": CharLMConfig,
  "digits": DigitsConfig,
  "piano_rolls": PianoRollsConfig,
}
