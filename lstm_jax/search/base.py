"""How whole answers are found, one symbol after the other.

A search sees `start` and `step` of a model and no more, so that one serves
every model and task:

  start(inputs) -> (context, state, symbols)   context: the same at every step;
                                               symbols [b]: what comes first
  step(context, state, symbols) -> (likelihood, state)
"""

import dataclasses
from typing import ClassVar, NamedTuple

from lstm_jax.array_types import Array, Float, Int
from lstm_jax.errors import ConfigError


@dataclasses.dataclass(slots=True)
class SearchConfig:
  CHOICES: ClassVar = {"name": ("greedy", "sample", "beam")}
  RANGES: ClassVar = {
    "width": (1, 10**4),
    "best": (1, 10**4),
    "temperature": (0, 1000),
    "top_k": (0, 10**9),
    "top_p": (1e-6, 1),
    "length_penalty": (0, 10),
    "length": (0, 10**9),
    "seed": (0, 2**32 - 1),
  }

  # "greedy" takes the likeliest symbol, "sample" draws one, "beam" keeps the
  # likeliest beginnings
  name: str = "greedy"
  # beam: how many beginnings
  width: int = 4
  # beam: how many answers to give, the best first
  best: int = 1
  # sample: what logits are divided by; 0 takes the likeliest symbol
  temperature: float = 1.0
  # sample: draw among so many of the likeliest symbols; 0 among all
  top_k: int = 0
  # sample: draw among the likeliest symbols that have this much of the
  # probability together (Holtzman et al. 2020)
  top_p: float = 1.0
  # beam: alpha of Wu et al. 2016, eq. 14; 0 is none
  length_penalty: float = 0.0
  # the most symbols of an answer; 0 is what the task asks for
  length: int = 0
  # sample: seed of the draws
  seed: int = 0

  def check(self):
    """
    Raises:
      ConfigError: more answers are asked for than the beam is wide.
    """
    if self.best > (self.width if self.name == "beam" else 1):
      raise ConfigError(
        f"search.best: {self.best} answers need search.name beam and a"
        f" search.width of {self.best} or more"
      )


class Prediction(NamedTuple):
  """Answers of each row, the best first."""

  symbols: Int[Array, "b n t"]  # `end` after their end
  lengths: Int[Array, "b n"]  # symbols before the end
  scores: Float[Array, "b n"]  # log-probability, with the length penalty
