"""The trials of a run, side by side in one program."""

from typing import Any, NamedTuple

from lstm_jax.config.config import Config


class Trial(NamedTuple):
  """What a trial has of its own."""

  number: int
  seed: int
  learning_rate: float

  @property
  def overrides(self) -> dict[str, Any]:
    """The fields that make a run of its own of it."""
    return {
      "train.seed": self.seed,
      "optimizer.learning_rate": self.learning_rate,
    }


def list_trials(config: Config) -> list[Trial]:
  """Every trial; of a run without several, the run itself."""
  train, count = config.train, config.train.trials
  seeds = train.trial_seeds or range(train.seed, train.seed + count)
  rates = train.trial_learning_rates or (config.optimizer.learning_rate,)
  return [
    Trial(number, seed, rates[number % len(rates)])
    for number, seed in enumerate(seeds)
  ]
