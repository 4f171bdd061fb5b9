"""A trained model, loaded from its run directory."""

import dataclasses
import functools
import hashlib
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax.array_types import Params
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.config import Config
from lstm_jax.data.vocabulary import Vocabulary, restore
from lstm_jax.errors import DataError, RunError
from lstm_jax.models.config import RecurrentConfig
from lstm_jax.recurrence import cudnn
from lstm_jax.run.directory import read_assets, read_config
from lstm_jax.training import trials as trials_lib
from lstm_jax.training.state import make_model


@dataclasses.dataclass(frozen=True)
class Run:
  model: nnx.Module  # holds `params`, ready to be called
  params: Params
  config: Config
  assets: dict[str, Any]  # what the task keeps with a run, as JSON

  @functools.cached_property
  def vocabulary(self) -> Vocabulary | None:
    """Of text; None where the task has none."""
    symbols = self.assets.get("vocabulary")
    return None if symbols is None else restore(symbols)

  def __repr__(self):
    count = sum(leaf.size for leaf in jax.tree.leaves(self.params))
    model, task = type(self.model).__name__, self.config.task.name
    return f"Run({model} of {count:,} parameters, task {task})"


def load_run(
  workdir: str | pathlib.Path, checkpoint: str | int = "best", trial: int = 0
) -> Run:
  """Loads a run's model with its parameters.

  `run.model(tokens)` gives logits and likelihoods; `run.vocabulary.encode`
  makes tokens of text.

  Args:
    workdir: a run directory.
    checkpoint: "best" by validation, "latest", or a step.
    trial: which, of a run of several trials.

  Raises:
    RunError: there is no run, or no such checkpoint, or it is damaged.
  """
  return load_checkpoint(workdir, checkpoint, trial)[0]


def load_checkpoint(
  workdir: str | pathlib.Path, checkpoint: str | int = "best", trial: int = 0
) -> tuple[Run, int]:
  """`load_run`, and the step of the checkpoint."""
  runs, step = load_trials(workdir, checkpoint)
  if not 0 <= trial < len(runs):
    raise RunError(
      f"{workdir}: no trial {trial}; there are {len(runs)}, from 0 on"
    )
  return runs[trial], step


def load_trials(
  workdir: str | pathlib.Path, checkpoint: str | int = "best"
) -> tuple[list[Run], int]:
  """Every trial of a run as `load_run` has it, and the checkpoint's step.

  Raises:
    RunError: there is no run, or no such checkpoint, or it is damaged.
  """
  config = read_config(workdir)
  model = config.model
  if isinstance(model, RecurrentConfig) and not cudnn.on_nvidia():
    if model.engine == "cudnn":
      model.engine = "auto"  # which computes the same
  assets = read_assets(workdir)
  try:
    spec = config.task.spec(assets)
  except DataError as error:
    raise RunError(f"{workdir}/assets/{error}") from None
  assert spec is not None  # assets say what the data did
  structure, params = make_model(
    lambda rngs: config.model.build(spec, rngs), config.train.seed
  )
  trials = config.train.trials
  if trials > 1:
    params = jax.tree.map(lambda a: jnp.stack([a] * trials), params)
  with Checkpointer(pathlib.Path(workdir).expanduser()) as checkpointer:
    params, step = checkpointer.load_params(str(checkpoint), params)
  each = [params]
  if trials > 1:
    each = [trials_lib.trial(params, number) for number in range(trials)]
  runs = [
    Run(nnx.merge(structure, params), params, config, assets) for params in each
  ]
  return runs, step


def parameter_digest(params: Params) -> str:
  """SHA-256 over the names, shapes and bytes of all parameters."""
  sha = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(params):
    leaf = np.asarray(leaf)
    sha.update(f"{jax.tree_util.keystr(path)} {leaf.shape}\n".encode())
    sha.update(leaf.tobytes())
  return sha.hexdigest()
