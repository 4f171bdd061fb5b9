"""The tasks a config can name, by the class of their config."""

from lstm_jax.tasks.adding import AddingConfig
from lstm_jax.tasks.associative_recall import AssociativeRecallConfig
from lstm_jax.tasks.chomsky_binary import (
  BinaryAdditionConfig,
  BinaryMultiplicationConfig,
  ComputeSqrtConfig,
)
from lstm_jax.tasks.chomsky_brackets import (
  ModularArithmeticBracketsConfig,
  SolveEquationConfig,
)
from lstm_jax.tasks.chomsky_regular import (
  CycleNavigationConfig,
  EvenPairsConfig,
  ModularArithmeticConfig,
  ParityConfig,
)
from lstm_jax.tasks.chomsky_strings import (
  BucketSortConfig,
  DuplicateStringConfig,
  MissingDuplicateConfig,
  OddsFirstConfig,
  ReverseStringConfig,
  StackManipulationConfig,
)
from lstm_jax.tasks.continual_reber import ContinualReberConfig
from lstm_jax.tasks.copy_memory import CopyMemoryConfig
from lstm_jax.tasks.counting import CountingConfig
from lstm_jax.tasks.digits import DigitsConfig
from lstm_jax.tasks.embedded_reber import EmbeddedReberConfig
from lstm_jax.tasks.list_ops import ListOpsConfig
from lstm_jax.tasks.long_lag import LongLagConfig
from lstm_jax.tasks.multiplication import MultiplicationConfig
from lstm_jax.tasks.piano_rolls import PianoRollsConfig
from lstm_jax.tasks.reversed_pairs import ReversedPairsConfig
from lstm_jax.tasks.selective_copying import SelectiveCopyingConfig
from lstm_jax.tasks.temporal_order import TemporalOrderConfig
from lstm_jax.tasks.text_config import ByteLMConfig, CharLMConfig, WordLMConfig
from lstm_jax.tasks.two_sequence import TwoSequenceConfig

TASKS = {
  "char_lm": CharLMConfig,
  "byte_lm": ByteLMConfig,
  "word_lm": WordLMConfig,
  # Hochreiter & Schmidhuber 1997 and after
  "adding": AddingConfig,
  "multiplication": MultiplicationConfig,
  "temporal_order": TemporalOrderConfig,
  "long_lag": LongLagConfig,
  "two_sequence": TwoSequenceConfig,
  "embedded_reber": EmbeddedReberConfig,
  "continual_reber": ContinualReberConfig,
  "counting": CountingConfig,
  # memory
  "copy_memory": CopyMemoryConfig,
  "selective_copying": SelectiveCopyingConfig,
  "associative_recall": AssociativeRecallConfig,
  "list_ops": ListOpsConfig,
  # Deletang et al. 2023: regular, deterministic context-free, context-sensitive
  "even_pairs": EvenPairsConfig,
  "modular_arithmetic": ModularArithmeticConfig,
  "parity": ParityConfig,
  "cycle_navigation": CycleNavigationConfig,
  "stack_manipulation": StackManipulationConfig,
  "reverse_string": ReverseStringConfig,
  "modular_arithmetic_brackets": ModularArithmeticBracketsConfig,
  "solve_equation": SolveEquationConfig,
  "duplicate_string": DuplicateStringConfig,
  "missing_duplicate": MissingDuplicateConfig,
  "odds_first": OddsFirstConfig,
  "binary_addition": BinaryAdditionConfig,
  "binary_multiplication": BinaryMultiplicationConfig,
  "compute_sqrt": ComputeSqrtConfig,
  "bucket_sort": BucketSortConfig,
  # answers that are decoded
  "reversed_pairs": ReversedPairsConfig,
  # data that is stored
  "digits": DigitsConfig,
  "piano_rolls": PianoRollsConfig,
}
