"""Points that differ in seed and learning rate alone, as one program.

They are the trials of one run (`train.trials`), side by side under `jax.vmap`:
a small network leaves most of a core or an accelerator idle.
"""

import pathlib

from experiments import command_line
from experiments.launchers.child import Job
from experiments.sweep_results import Entry
from lstm_jax.config import Config, sweeps
from lstm_jax.config.sweeps import SEED
from lstm_jax.errors import ConfigError

RATE = "optimizer.learning_rate"


def join_points(
  workdir: pathlib.Path, base: list[str], config: Config, entries: list[Entry]
) -> tuple[list[Entry], list[Job]]:
  """A run for all points that agree in everything but seed and learning rate.

  entries: the points, each as a run of its own.

  Raises:
    ConfigError: such points cannot be trials of one run.
  """
  if config.train.trials > 1:
    raise ConfigError(
      "train.trials: --launcher=vmap makes trials of the points"
    )
  groups: dict[str, list[Entry]] = {}
  for entry in entries:
    shared = _shared(entry.overrides)
    groups.setdefault(sweeps.name_point(shared, config), []).append(entry)
  joined, jobs = [], []
  for name, group in groups.items():
    directory = f"{name},trials={len(group)}"
    of_all = _shared(group[0].overrides) | _trials(group, config)
    words = tuple(sweeps.override(base, sweeps.override_words(of_all)))
    try:
      command_line.parse_config(["sweep", *words])
    except ConfigError as error:
      raise ConfigError(f"--launcher=vmap: {error}") from None
    jobs.append(Job(workdir, directory, words))
    for number, entry in enumerate(group):
      trial = number if len(group) > 1 else None
      joined.append(entry._replace(directory=directory, trial=trial))
  return joined, jobs


def _shared(point):
  return {k: v for k, v in point.items() if k not in (SEED, RATE)}


def _trials(group, config):
  """What makes a run of the points of a group."""
  points = [entry.overrides for entry in group]
  seeds = tuple(point.get(SEED, config.train.seed) for point in points)
  rate = config.optimizer.learning_rate
  rates = tuple(float(point.get(RATE, rate)) for point in points)
  if len(points) == 1:
    return {SEED: seeds[0], RATE: rates[0]}
  return {
    "train.trials": len(points),
    "train.trial_seeds": seeds,
    "train.trial_learning_rates": rates,
  }
