"""A trained model, loaded from its run directory."""

import hashlib
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax.array_types import Params
from lstm_jax.config import Config
from lstm_jax.data.vocabulary import CharVocabulary
from lstm_jax.errors import RunError
from lstm_jax.run_directory import read_config, read_vocabulary
from lstm_jax.tasks.base import Sizes
from lstm_jax.training.checkpointing import Checkpointer
from lstm_jax.training.train_state import make_model


class Run(NamedTuple):
  model: nnx.Module  # holds `params`, ready to be called
  params: Params
  config: Config
  vocabulary: CharVocabulary | None  # None where the task is not text


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
  config = read_config(workdir)
  vocabulary = None
  if config.task.text:
    vocabulary = read_vocabulary(workdir)
    sizes = Sizes(len(vocabulary), len(vocabulary), symbols=True)
  else:
    sizes = config.task.sizes() or config.task.load(1).sizes
  structure, params = make_model(
    lambda rngs: config.model.build(sizes, rngs), config.train.seed
  )
  trials = config.train.trials
  if not 0 <= trial < trials:
    raise RunError(
      f"{workdir}: no trial {trial}; there are {trials}, from 0 on"
    )
  if trials > 1:
    params = jax.tree.map(lambda a: jnp.stack([a] * trials), params)
  with Checkpointer(pathlib.Path(workdir).expanduser()) as checkpointer:
    params, step = checkpointer.load_params(str(checkpoint), params)
  if trials > 1:
    params = jax.tree.map(lambda a: a[trial], params)
  model = nnx.merge(structure, params)
  return Run(model, params, config, vocabulary), step


def digest(params: Params) -> str:
  """SHA-256 over the names, shapes and bytes of all parameters."""
  sha = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(params):
    leaf = np.asarray(leaf)
    sha.update(f"{jax.tree_util.keystr(path)} {leaf.shape}\n".encode())
    sha.update(leaf.tobytes())
  return sha.hexdigest()
