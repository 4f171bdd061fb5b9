"""Options of cells, as a config file and the command line give them."""

import dataclasses
from typing import ClassVar

from lstm_jax.cells.greff import VARIANTS
from lstm_jax.cells.lstm_1997 import BIASES
from lstm_jax.cells.registry import CELLS
from lstm_jax.cells.rnn import NONLINEARITIES
from lstm_jax.cells.slstm import FORGET_GATES

# options that say what parameters start as
INITIAL = ("forget_bias", "chrono", "identity", "init_scale")
INITIAL += ("input_gate_biases", "output_gate_biases")


@dataclasses.dataclass(slots=True)
class CellOptions:
  """Every option of every cell; a cell takes those it has a field for."""

  CHOICES: ClassVar = {
    "variant": VARIANTS,
    "nonlinearity": tuple(NONLINEARITIES),
    "biases": BIASES,
    "forget": FORGET_GATES,
  }
  RANGES: ClassVar = {
    "forget_bias": (-100, 100),
    "chrono": (0, 10**9),
    "projection_size": (1, 10**6),
    "rounds": (0, 100),
    "rank": (0, 10**6),
    "heads": (1, 10**6),
    "block_size": (1, 10**6),
    "init_scale": (0, 100),
    "input_gate_biases": (-100, 100),
    "output_gate_biases": (-100, 100),
  }

  # lstm and its variants: initial bias of the forget gate
  forget_bias: float = 1.0
  # lstm, peephole: biases of input and forget gate for dependencies of up to so
  # many steps, in place of forget_bias (Tallec & Ollivier 2018); 0 is none
  chrono: float = 0.0
  # greff: which of the eight variants, or V
  variant: str = "V"
  # lstm, mogrifier: the input gate is at most 1 - forget gate
  cap_input_gate: bool = False
  # projection: width of what goes up and back
  projection_size: int = 128
  # mogrifier: rounds of mutual gating, and the rank of their matrices (0: full)
  rounds: int = 5
  rank: int = 0
  # mogrifier: biases of their gates, which the authors' code has and the
  # paper's equations have not
  round_biases: bool = False
  # min_lstm: the paper's log-space form, whose cell inputs are above 0
  positive_input: bool = False
  # rnn: "tanh" or "relu"; start as the identity (IRNN)
  nonlinearity: str = "tanh"
  identity: bool = False
  # slstm, matrix_lstm, matrix_lstm_block: groups of hidden units that do not
  # see each other
  heads: int = 1
  # slstm: forget gate, "sigmoid" or "exp"
  forget: str = "sigmoid"
  # lstm_1997: cells a memory block; ranges of 1 and 2 in place of 2 and 1 for g
  # and the output squashing; or g in [0, 1] and none; output gates; recurrence
  # beside the carousel; no gradient through it
  block_size: int = 1
  wide_output: bool = False
  logistic_input: bool = False
  output_gate: bool = True
  recurrent: bool = True
  truncated: bool = True
  # lstm_1997: which units have a bias, "none", "gates" or "all"
  biases: str = "all"
  # lstm_1997: weights start as U(-init_scale, init_scale); so do the biases,
  # but for gates whose initial biases stand here, a number a block
  init_scale: float = 0.1
  input_gate_biases: tuple[float, ...] = ()
  output_gate_biases: tuple[float, ...] = ()


def options_taken(name: str) -> set[str]:
  """The options of `CellOptions` that a cell has a field for."""
  fields = {field.name for field in dataclasses.fields(CELLS[name])}
  return fields & {field.name for field in dataclasses.fields(CellOptions)}
