"""A run directory that is not as it was."""

import json
import os
import pathlib
import shutil
import signal
import time

import jax
import jax.numpy as jnp

from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.errors import UserError
from lstm_jax.run import directory
from lstm_jax.run.build import build
from scripts.faults.base import (
  Finding,
  digest,
  end,
  launch,
  parameters,
  refusal,
  train,
  uninterrupted,
  wait_for,
)


def changed(folder: pathlib.Path, times: int):
  wanted = uninterrupted(folder)

  def refused(fault, run, *words):
    found = train(folder, run, *words)
    return refusal(folder, fault, "refused with the difference", *found)

  process = launch(folder, "busy", "--config.train.steps=1000000")
  wait_for(process, "step ")
  yield refused("a second writer in the directory", "busy")
  end(process, signal.SIGKILL)
  rate = "--config.optimizer.learning_rate=0.5"
  yield refused("another config", "whole", rate)
  shutil.copytree(folder / "whole", folder / "vocabulary")
  symbols = folder / "vocabulary/vocabulary.json"
  reordered = list(reversed(json.loads(symbols.read_text())))
  symbols.write_text(json.dumps(reordered))
  yield refused("another vocabulary", "vocabulary")
  process = launch(folder, "clock")
  wait_for(process, "step  50/")
  end(process, signal.SIGTERM)
  for path in [folder / "clock", *(folder / "clock").rglob("*")]:
    os.utime(path, (time.time() + 10**9,) * 2)
  code, _ = train(folder, "clock")
  same = code == 0 and digest(folder, "clock") == wanted
  yield Finding(
    "clock set back by 30 years between two starts (times of files)",
    "the run goes on as if nothing had happened",
    f"exit code {code}, {parameters(same)}",
    same,
  )
  yield from _other_models(folder / "whole")


def _other_models(run):
  """A checkpoint of other shapes or types than the model's."""
  for what in ("shape", "dtype"):
    config = directory.read_config(run)
    if what == "shape":
      config.model.hidden_sizes = (9,)
    _, state = build(config, directory.read_vocabulary(run))
    if what == "dtype":
      half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), state.params)
      state = state.replace(params=half)
    try:
      with Checkpointer(run, writing=True) as checkpointer:
        checkpointer.restore_latest(state)
      said = "it was loaded"
    except UserError as error:
      said = str(error).split("checkpoint ", 1)[1]
    yield Finding(
      f"a checkpoint of another {what}",
      "refused with the difference",
      f"`{said}`",
      "is of another model" in said,
    )
