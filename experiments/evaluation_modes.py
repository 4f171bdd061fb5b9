"""The ways to evaluate a language model that change it as it reads, or average
over its dropout; what they are set to, and how that is searched."""

import json
import pathlib
import sys
from typing import Any

from absl import flags
from flax import nnx

from lstm_jax.errors import ConfigError, RunError
from lstm_jax.evaluation import cache, dynamic, mc_dropout
from lstm_jax.files import write_atomically
from lstm_jax.layers.dropout import Dropout
from lstm_jax.metrics.sums import Sums
from lstm_jax.run.load import Run
from lstm_jax.tasks.text_lm import TextLM

FOUND = "evaluation.json"  # in the run directory: what --search found

# of each mode: its settings with their defaults, lowest and highest values
SETTINGS: dict[str, dict[str, tuple]] = {
  "static": {},
  "dynamic": {
    "form": ("rms", None, None),
    "segment": (5, 1, 10**6),
    "rate": (0.001, 0.0, 10**6),
    "decay": (0.002, 0.0, 1.0),
    "epsilon": (0.001, 1e-12, 10**6),
    "rms_windows": (500, 1, 10**9),
  },
  "cache": {
    "cache_size": (2000, 1, 10**6),
    "theta": (0.3, 0.0, 10**6),
    "share": (0.1, 0.0, 0.99),
  },
  "mc_dropout": {"samples": (20, 1, 10**6), "seed": (0, 0, 2**32 - 1)},
}
MODES = tuple(SETTINGS)
SGD_RATE = 0.1  # the default of the form sgd: in the middle of RATES
HELP = {
  "form": "dynamic: rms, krause (its decay relative to the mean of the"
  " parameters' means, as in the authors' code, not of all numbers), or sgd",
  "segment": "dynamic: tokens between updates",
  "rate": "dynamic: learning rate",
  "decay": "dynamic: pull back to the trained parameters (lambda)",
  "epsilon": "dynamic, not sgd: added to the root mean square",
  "rms_windows": "dynamic, not sgd: training windows that it is measured on",
  "cache_size": "cache: tokens that it holds",
  "theta": "cache: how much it prefers alike features",
  "share": "cache: its part of the probability (lambda)",
  "samples": "mc_dropout: masks that are averaged over",
  "seed": "mc_dropout: of the masks",
}
# what --search finds
SEARCHED = {"dynamic": ("rate", "decay"), "cache": ("theta", "share")}
# and what it tries: rates first, then pulls with the best; all pairs of these
RATES = {
  "rms": (0.0005, 0.001, 0.002, 0.004),
  "krause": (0.0005, 0.001, 0.002, 0.004),
  "sgd": (0.02, 0.05, 0.1, 0.2, 0.4),
}
DECAYS = (0.0, 0.002, 0.01, 0.05)
THETAS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


def define_flags(values):
  flags.DEFINE_enum(
    "mode",
    "static",
    MODES,
    "as trained, or adapted: "
    "https://arxiv.org/abs/1709.07432, 1612.04426, 1512.05287",
    flag_values=values,
  )
  flags.DEFINE_bool(
    "search",
    False,
    f"dynamic and cache: find settings on the validation split, for {FOUND}",
    flag_values=values,
  )
  flags.DEFINE_integer(
    "search_tokens",
    0,
    "search: tokens from the start of the validation split; 0 is all",
    0,
    flag_values=values,
  )
  for settings in SETTINGS.values():
    for name, (default, low, high) in settings.items():
      sgd = f" (sgd: {SGD_RATE})" if name == "rate" else ""
      text = f"{HELP[name]}; {default}{sgd}, or what --search found"
      if name == "form":
        flags.DEFINE_enum(name, None, tuple(RATES), text, flag_values=values)
        continue
      define = flags.DEFINE_float
      if isinstance(default, int):
        define = flags.DEFINE_integer
      define(name, None, text, low, high, flag_values=values)


def check_flags(values, trial: int | None):
  """Raises ConfigError for flags that the mode has no use for."""
  mode = values.mode
  for other, settings in SETTINGS.items():
    for name in settings:
      if values[name].present and other != mode:
        raise ConfigError(f"--{name} is for --mode={other}, not {mode}")
  if values.search and mode not in SEARCHED:
    raise ConfigError(f"--search: --mode={mode} has nothing to search")
  for name in ("json", *SEARCHED.get(mode, ())):
    if values.search and values[name].present:
      raise ConfigError(f"--search takes no --{name}")
  if values.search_tokens and not values.search:
    raise ConfigError("--search_tokens is for --search")
  if values.search and values.split != "valid":
    raise ConfigError("--search looks at the validation split alone")
  if mode == "static":
    return
  if trial is None:
    raise ConfigError(f"--mode={mode} evaluates one trial; give its number")
  if mode == "dynamic" and values.streams[0] > 1:
    raise ConfigError("--mode=dynamic reads one stream; leave --streams out")
  if len(values.streams) > 1:
    raise ConfigError(f"--mode={mode} takes one number of --streams")


def settings(values) -> dict[str, Any]:
  """Those of the mode: flags, else what a search found for the same form, else
  the defaults; a new search does not use what an old one found.

  Raises:
    ConfigError: a flag is for another form.
    RunError: what a search found cannot be read.
  """
  mode = values.mode
  defaults = {name: default for name, (default, *_) in SETTINGS[mode].items()}
  given = {n: values[n].value for n in SETTINGS[mode] if values[n].present}
  found = found_settings(values.workdir).get(mode, {})
  other = given.get("form") not in (None, (defaults | found).get("form"))
  if values.search or other:
    found = {}
  if (defaults | found | given).get("form") == "sgd":
    defaults["rate"] = SGD_RATE
    for name in ("epsilon", "rms_windows"):
      if name in given:
        raise ConfigError(f"--{name} is for --form=rms or krause, not sgd")
  return defaults | found | given


def found_settings(
  workdir: str | pathlib.Path,
) -> dict[str, dict[str, Any]]:
  """By mode, what --search found for a run; {} where it was never called.

  Raises:
    RunError: the file cannot be read, or is not as it was written.
  """
  path = pathlib.Path(workdir).expanduser() / FOUND
  try:
    found = json.loads(path.read_text("utf-8"))
    for mode, chosen in found.items():
      for name, value in chosen.items():
        _check_found(mode, name, value)
    return found
  except FileNotFoundError:
    return {}
  except (OSError, ValueError, AttributeError) as error:
    raise RunError(
      f"{path}: cannot be read: {error}; remove it to use the defaults"
    ) from None


def _check_found(mode, name, value):
  """Raises ValueError for what no search writes."""
  if name not in SETTINGS.get(mode, ()):
    raise ValueError(f"{mode} has no {name}")
  default, low, high = SETTINGS[mode][name]
  right = type(value) in {int, type(default)}
  if name == "form":
    right = value in list(RATES)
  elif right:
    right = low <= value <= high
  if not right:
    raise ValueError(f"{mode}: {name} is {value!r}")


def evaluate(
  mode: str, chosen: dict[str, Any], run: Run, task: Any, split: str, streams
) -> Sums:
  """The split's loss.

  Raises:
    ConfigError: the model cannot be evaluated so.
  """
  _check_run(mode, run, task)
  structure, _ = nnx.split(run.model)
  streams = streams or 1
  if mode == "dynamic":
    read = _dynamic(chosen, structure, task, split, run.params)
    return read(chosen["rate"], chosen["decay"])
  if mode == "cache":
    steps = cache.make_cache(
      *(structure, task, split, streams, chosen["cache_size"]),
      *((chosen["theta"],), (chosen["share"],)),
    )
    return _last(steps(run.params), mode)[0][0]
  steps = mc_dropout.make_mc_dropout(
    structure, task, split, streams, chosen["samples"]
  )
  return _last(steps(run.params, chosen["seed"]), mode)


def search(values, chosen: dict[str, Any], run: Run, task: Any):
  """Prints a line for every setting tried, and writes the best to FOUND."""
  _check_run(values.mode, run, task)
  structure, _ = nnx.split(run.model)
  name, keys = task.headline.name, SEARCHED[values.mode]

  def score(sums: Sums) -> float:
    return task.scores(sums)[name]

  tried: dict[tuple, float] = {}
  if values.mode == "cache":
    steps = cache.make_cache(
      *(structure, task, "valid", values.streams[0] or 1, chosen["cache_size"]),
      *(THETAS, SHARES, values.search_tokens),
    )
    grid = _last(steps(run.params), "cache")
    for theta, row in zip(THETAS, grid, strict=True):
      for share, sums in zip(SHARES, row, strict=True):
        tried[theta, share] = score(sums)
        print(f"theta {theta:<5} share {share:<5} {name} {score(sums):.3f}")
  else:
    read = _dynamic(
      chosen, structure, task, "valid", run.params, values.search_tokens
    )

    def attempt(rate, decay):
      if (rate, decay) in tried:
        return
      tried[rate, decay] = score(read(rate, decay))
      result = f"{name} {tried[rate, decay]:.3f}"
      print(f"rate {rate:<7} decay {decay:<6} {result}", flush=True)

    for rate in RATES[chosen["form"]]:
      attempt(rate, chosen["decay"])
    best_rate, _ = min(tried, key=tried.__getitem__)
    for decay in DECAYS:
      attempt(best_rate, decay)
  best = min(tried, key=tried.__getitem__)
  chosen |= dict(zip(keys, best, strict=True))
  path = pathlib.Path(values.workdir).expanduser() / FOUND
  found = found_settings(values.workdir) | {values.mode: chosen}
  write_atomically(path, json.dumps(found, indent=1) + "\n")
  settled = ", ".join(f"{key} {chosen[key]}" for key in keys)
  print(f"best: {settled}, {name} {tried[best]:.4f}; kept in {FOUND}")


def _dynamic(chosen, structure, task, split, params, tokens=0):
  """(rate, decay) -> the split's loss."""
  rms = None
  if chosen["form"] != "sgd":
    watch = _Watch("gradients of the training split")
    rms = dynamic.gradient_rms(
      structure, task, params, chosen["rms_windows"], watch
    )
  options = {name: chosen[name] for name in ("segment", "epsilon")}
  options["mean_of_means"] = chosen["form"] == "krause"
  steps = dynamic.make_dynamic(structure, task, split, tokens, **options)

  def read(rate, decay) -> Sums:
    return _last(steps(params, rate, decay, rms), "dynamic")

  return read


def _check_run(mode, run, task):
  if not isinstance(task, TextLM):
    raise ConfigError(f"--mode={mode} is for language models; leave it out")
  model = run.config.model
  rates = [getattr(model.dropout, name) for name in Dropout.RANGES]
  rates.append(getattr(model, "latent_dropout", 0))
  if mode == "mc_dropout" and not any(rates):
    raise ConfigError("--mode=mc_dropout: the model has no dropout")


class _Watch:
  """A live line of how much is done."""

  def __init__(self, what: str):
    self.what = what

  def __call__(self, done: int, all: int):
    if sys.stderr.isatty():
      line = "" if done == all else f"{self.what}: {100 * done // all} %"
      print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _last(steps, what):
  watch, last = _Watch(what), None
  for step in steps:
    done, every, last = step
    watch(done, every)
  return last
