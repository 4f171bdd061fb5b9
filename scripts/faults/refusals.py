"""A run directory that is not as it was, and numbers that are none."""

import json
import os
import pathlib
import shutil
import signal
import time

import jax.numpy as jnp
import numpy as np

from experiments.train import experiment_lib
from lstm_jax.checkpoints.checkpointing import Checkpointer
from lstm_jax.errors import UserError
from lstm_jax.run import directory
from scripts.faults.base import (
  Fault,
  Finding,
  command,
  digest,
  error_line,
  finish,
  start,
  train,
  uninterrupted,
  wait_for,
  words_of,
)


def _refused(folder, fault, run, *words) -> Finding:
  code, printed = train(folder, run, *words)
  said = error_line(printed).replace(str(folder), "DIR")
  return Finding(
    fault,
    "refused with the difference",
    f"`{said}`",
    code == 2 and said.startswith("error: "),
  )


def changed(folder: pathlib.Path, times: int) -> list[Finding]:
  wanted = uninterrupted(folder)
  process = start(
    command(*words_of(folder, "busy", "--config.train.steps=1000000"))
  )
  wait_for(process, "step ")
  findings = [_refused(folder, "a second writer in the directory", "busy")]
  process.kill()
  process.communicate()

  def copy(name):
    shutil.copytree(folder / "whole", folder / name)
    return folder / name

  findings.append(
    _refused(
      folder, "another config", "whole", "--config.optimizer.learning_rate=0.5"
    )
  )
  symbols = copy("vocabulary") / "assets/vocabulary.json"
  symbols.write_text(
    json.dumps(list(reversed(json.loads(symbols.read_text()))))
  )
  findings.append(_refused(folder, "another vocabulary", "vocabulary"))
  process = start(command(*words_of(folder, "clock")))
  wait_for(process, "step  50/")
  process.send_signal(signal.SIGTERM)
  process.communicate()
  for path in [folder / "clock", *(folder / "clock").rglob("*")]:
    os.utime(path, (time.time() + 10**9,) * 2)
  code, printed = train(folder, "clock")
  same = code == 0 and digest(folder, "clock") == wanted
  findings.append(
    Finding(
      "clock set back by 30 years between two starts (times of files)",
      "the run goes on as if nothing had happened",
      f"exit code {code}, {'the same' if same else 'other'} parameters",
      same,
    )
  )
  return findings + _other_models(folder / "whole")


def _other_models(run) -> list[Finding]:
  """A checkpoint of other shapes or types than the model's."""
  findings = []
  assets = directory.read_assets(run)
  for what in ("shape", "dtype"):
    config = directory.read_config(run)
    if what == "shape":
      config.model.hidden_sizes = (9,)
    _, state = experiment_lib.build(config, assets)
    if what == "dtype":
      params = {
        k: v.astype(jnp.bfloat16) if hasattr(v, "astype") else v
        for k, v in state.params.items()
      }
      state = state.replace(params=params)
    try:
      with Checkpointer(run, writing=True) as checkpointer:
        checkpointer.restore_latest(state)
      said = "it was loaded"
    except UserError as error:
      said = str(error).split("checkpoint ", 1)[1]
    findings.append(
      Finding(
        f"a checkpoint of another {what}",
        "refused with the difference",
        f"`{said}`",
        "is of another model" in said,
      )
    )
  return findings


def numbers(folder: pathlib.Path, times: int) -> list[Finding]:
  """Gradients that explode, and data that are no numbers."""
  words = (
    "--config=configs/adding.py:tiny",
    "--config.optimizer.name=sgd",
    "--config.optimizer.learning_rate=1e6",
    "--config.optimizer.clip_norm=0",
    "--config.run.log_every=10",
  )
  findings = []
  for choice, wanted in (
    ("stop", "stopped, with step and tensor named"),
    ("skip", "the update is left out, with step and tensor named"),
  ):
    code, printed = finish(
      command(
        *words,
        f"--workdir={folder / choice}",
        f"--config.train.on_non_finite={choice}",
      )
    )
    ended = error_line(printed).replace(str(folder), "DIR")
    # Parameters that have left all bounds end a run that skips, too.
    sound = code == 2 and ended.startswith("error: step")
    said = ended
    if choice == "skip":
      lines = [t for t in printed.splitlines() if "left out" in t]
      said = f"{lines[0] if lines else 'nothing left out'}; {ended}"
      sound = bool(lines) and (sound or code == 0)
    findings.append(
      Finding(
        f"a learning rate of a million, on_non_finite={choice}",
        wanted,
        f"`{said}`; exit code {code}",
        sound and "is not finite" in said,
      )
    )
  return [*findings, _not_a_number(folder)]


def _not_a_number(folder) -> Finding:
  pixels = np.zeros((64, 8, 8), np.float32)
  pixels[7, 3, 3] = np.nan
  labels = np.arange(64) % 10
  np.savez(
    folder / "digits.npz",
    x_train=pixels,
    y_train=labels,
    x_test=pixels,
    y_test=labels,
  )
  code, printed = finish(
    command(
      "--config=configs/digits.py:tiny",
      f"--workdir={folder / 'digits'}",
      f"--config.task.source={folder / 'digits.npz'}",
    )
  )
  said = error_line(printed).replace(str(folder), "DIR")
  return Finding(
    "a pixel that is not a number in an npz file",
    "refused in one line",
    f"`{said}`",
    code == 2 and said.startswith("error: "),
  )


FAULTS = {"changed": Fault(changed, 1), "numbers": Fault(numbers, 1)}
