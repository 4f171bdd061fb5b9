"""What a model is, and what it says."""

import dataclasses
from typing import Any, NamedTuple, Protocol

import jax

from lstm_jax.array_types import Array, ArrayLike, Float
from lstm_jax.cells.short_repr import short
from lstm_jax.layers.dropout import NoiseKeys


class Keys(NamedTuple):
  """Keys of one use of a model on one batch, one a row."""

  noise: NoiseKeys | None = None  # dropout; None at evaluation
  latent: NoiseKeys | None = None  # what a model draws by its nature, always


@dataclasses.dataclass(frozen=True)
class Output:
  """What a model says of each position, made on demand."""

  features: Float[Array, "b t h"]  # outputs of the last layer
  state: Any  # to continue the sequence with
  likelihood: Any  # one of likelihoods/: what this says of targets
  # added to the summed loss in training
  penalty: Float[Array, ""] | float = 0.0
  __repr__ = short

  def logits(self) -> Float[Array, "b t v"]:
    """Unnormalised log-probabilities of the symbols, or of a 1 for each."""
    return self.likelihood.logits()

  def nll(self, targets: ArrayLike) -> Float[Array, "b t"]:
    """Negative log-likelihood of the targets in nats."""
    return self.likelihood.nll(targets)

  def values(self) -> Float[Array, "b t k"]:
    """The numbers that are said, of the likelihood "squared_error"."""
    return self.likelihood.values()


class Model(Protocol):
  """An nnx module; its config says what it reads, and builds it."""

  def initial_state(self, rows: int) -> Any:
    """What is carried from batch to batch; () where nothing is."""
    ...

  def read(self, inputs: Any, state: Any, keys: Keys) -> Output:
    """Reads a batch's inputs, from a state on."""
    ...

  # A model that can say whole answers has one of the two: `start` and `step`,
  # see `search/base.py`, or decode(inputs, search, key) -> prediction, such as
  # the best path through labels, or frames to come.


def parameter_count(params: Any) -> int:
  """How many numbers a tree of parameters has."""
  return sum(leaf.size for leaf in jax.tree.leaves(params))
