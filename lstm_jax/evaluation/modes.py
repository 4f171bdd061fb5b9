"""The ways to evaluate a language model that change it as it reads, or average
over its dropout. Each is a file with a config of its own."""

from collections.abc import Callable
from typing import NamedTuple

from lstm_jax.evaluation.cache import CacheConfig, evaluate_cache, tune_cache
from lstm_jax.evaluation.dynamic import (
  DynamicConfig,
  evaluate_dynamic,
  tune_dynamic,
)
from lstm_jax.evaluation.mc_dropout import MCDropoutConfig, evaluate_mc_dropout


class Mode(NamedTuple):
  config: type
  # (run, task, split, rows, config, watch) -> Sums
  evaluate: Callable
  # (run, task, rows, config, tokens, score, watch) -> (settings, Sums) for each
  # that is tried; None where there is nothing to search
  tune: Callable | None = None
  tuned: tuple[str, ...] = ()  # fields that a search finds
  most_rows: int = 10**6


MODES = {
  "dynamic": Mode(
    DynamicConfig,
    evaluate_dynamic,
    tune_dynamic,
    tuned=("rate", "decay"),
    most_rows=1,
  ),
  "cache": Mode(CacheConfig, evaluate_cache, tune_cache, ("theta", "share")),
  "mc_dropout": Mode(MCDropoutConfig, evaluate_mc_dropout),
}
