"""A trained model, loaded from its run directory."""

import hashlib
import pathlib
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from lstm_jax.array_types import Params
from lstm_jax.config import Config
from lstm_jax.data.vocabulary import CharVocabulary
from lstm_jax.run_directory import read_config, read_vocabulary
from lstm_jax.training.checkpointing import Checkpointer
from lstm_jax.training.train_state import make_model


class Run(NamedTuple):
  model: nnx.Module  # holds `params`, ready to be called
  params: Params
  config: Config
  vocabulary: CharVocabulary


def load_run(
  workdir: str | pathlib.Path, checkpoint: str | int = "best"
) -> Run:
  """Loads a run's model with its parameters.

  `run.model(tokens)` gives logits and likelihoods; `run.vocabulary.encode`
  makes tokens of text.

  Args:
    workdir: a run directory.
    checkpoint: "best" by validation, "latest", or a step.

  Raises:
    RunError: there is no run, or no such checkpoint, or it is damaged.
  """
  return load_checkpoint(workdir, checkpoint)[0]


def load_checkpoint(
  workdir: str | pathlib.Path, checkpoint: str | int = "best"
) -> tuple[Run, int]:
  """`load_run`, and the step of the checkpoint."""
  config = read_config(workdir)
  vocabulary = read_vocabulary(workdir)
  structure, params = make_model(
    lambda rngs: config.model.build(len(vocabulary), rngs), config.train.seed
  )
  with Checkpointer(pathlib.Path(workdir).expanduser()) as checkpointer:
    params, step = checkpointer.load_params(str(checkpoint), params)
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
