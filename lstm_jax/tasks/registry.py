"""The tasks a config can name, by the class of their config."""

from lstm_jax.tasks.char_lm import CharLMConfig

TASKS = {"char_lm": CharLMConfig}
