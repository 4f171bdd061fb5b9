"""The loss of a trained model on a split, or on every token of a text.

  python -m experiments.evaluate --workdir=runs/char_lm --split=valid
  python -m experiments.evaluate --workdir=runs/6a --split=test --trial=all
  python -m experiments.evaluate --workdir=runs/char_lm --score=TEXT_FILE

By default the state runs through the whole split in one stream. --trial=all
prints a line for each trial; --json prints JSON objects, one a line. --score
prints a line for each character or word, its nats and itself as JSON, as if the
text followed a line end.
"""

import json
import sys
from math import isfinite

import numpy as np
from absl import flags
from flax import nnx

from experiments.command_line import (
  PLATFORMS,
  new_flags,
  parse_flags,
  run_command,
)
from lstm_jax import runtime
from lstm_jax.data.text import read_text
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.metrics import Sums
from lstm_jax.run_directory import read_record
from lstm_jax.sampling import score
from lstm_jax.trained_run import Run, load_checkpoint, load_trials
from lstm_jax.training.evaluation import make_evaluation

SPLITS = ("valid", "test")


def evaluate_trials(
  workdir: str,
  split: str,
  checkpoint: str = "best",
  *,
  trial: int | None = None,
  streams: int = 0,
) -> list[dict[str, float | int]]:
  """Scores of a run's trials on a split; the model is compiled once.

  Args:
    split: "valid" or "test".
    checkpoint: "best" by validation, "latest", or a step.
    trial: the only one to score; all by default.
    streams: pieces of the split read side by side; 0 chooses.

  Returns a record a trial: trial, step, tokens or sequences scored, the scores.

  Raises:
    DataError: the text cannot be read.
    RunError: no such run, checkpoint or trial, or other data than at training.
  """
  if trial is None:
    runs, step = load_trials(workdir, checkpoint)
  else:
    run, step = load_checkpoint(workdir, checkpoint, trial)
    runs = [run]
  task = _load_task(runs[0], workdir)
  structure, _ = nnx.split(runs[0].model)
  streams = streams or task.evaluation_streams
  evaluate = make_evaluation(structure, task, split, streams)
  records = []
  for number, run in enumerate(runs, trial or 0):
    sums = evaluate(run.params, _show_percent)
    count = sums.extra.get("sequences", sums.weight)
    record = {"trial": number, "step": step, f"{task.token}s": int(count)}
    records.append(record | task.scores(sums))
  return records


def _load_task(run: Run, workdir: str):
  """The task of a run, with the data that it was trained on."""
  config = run.config
  task = config.task.load(config.train.batch_size, run.vocabulary)
  old = read_record(workdir)["data"]
  for name, value in old.items():
    if name.endswith("sha256") and value != task.record.get(name):
      raise RunError(
        f"{workdir}: the run was trained on another version of its data"
        f" ({old['corpus']}, now {task.record['corpus']}); --score=FILE scores"
        " any text"
      )
  return task


def _show_percent(done: int, all: int):
  if sys.stderr.isatty():
    end = "\r\x1b[K" if done == all else ""
    print(f"\r{100 * done // all} %{end}", end="", file=sys.stderr)


def score_text(run: Run, text: str) -> np.ndarray:
  """Nats of every token [t], the text taken to follow a line end."""
  return score(run.model, run.vocabulary.encode("\n" + text))


def main(argv: list[str]):
  values = new_flags()
  flags.DEFINE_string("workdir", None, "run directory", flag_values=values)
  flags.DEFINE_string(
    "checkpoint", "best", "best, latest, or a step", flag_values=values
  )
  flags.DEFINE_enum(
    "split", "valid", SPLITS, "which split to score", flag_values=values
  )
  flags.DEFINE_integer(
    "streams",
    0,
    "pieces of the split side by side; of a text 1 is exact; 0 chooses",
    lower_bound=0,
    upper_bound=100_000,
    flag_values=values,
  )
  flags.DEFINE_string(
    "trial", "0", "which, of a run of several; or all", flag_values=values
  )
  flags.DEFINE_bool("json", False, "print JSON", flag_values=values)
  flags.DEFINE_string(
    "score", None, "a UTF-8 text to score instead", flag_values=values
  )
  flags.DEFINE_enum(
    "platform", None, PLATFORMS, "where to compute", flag_values=values
  )
  parse_flags(values, argv, __doc__, required=("workdir",))
  if values.score is not None:
    for name in ("split", "streams", "json"):
      if values[name].present:
        raise ConfigError(f"--score takes no --{name}")
  trial = _parse_trial(values.trial, values.score is None)
  runtime.setup(values.platform or "")
  if values.score is not None:
    return _print_score(values, trial)
  records = evaluate_trials(
    values.workdir,
    values.split,
    values.checkpoint,
    trial=trial,
    streams=values.streams,
  )
  if values.json:
    for record in records:
      # JSON has no infinity; null stands for it.
      print(
        json.dumps({k: v if isfinite(v) else None for k, v in record.items()})
      )
    return
  print(f"checkpoint {records[0]['step']}, {values.split} split")
  for record in records:
    scores = dict(list(record.items())[2:])
    if trial is None:
      print(f"trial {record['trial']}: " + ", ".join(_lines(scores, " ")))
    else:
      print("\n".join(_lines(scores)))


def _parse_trial(text: str, all_too: bool) -> int | None:
  if text == "all" and all_too:
    return None
  if not text.isdecimal():
    raise ConfigError(
      f"--trial={text}: must be a number from 0 on" + " or all" * all_too
    )
  return int(text)


def _print_score(values, trial: int):
  run, _ = load_checkpoint(values.workdir, values.checkpoint, trial)
  if run.vocabulary is None:
    raise ConfigError("--score: the run was not trained on text")
  text = read_text(values.score)
  nats = score_text(run, text)
  tokens, token = run.vocabulary.split(text), run.config.task.token
  for value, word in zip(nats, tokens, strict=True):
    print(f"{value:.4f}\t{json.dumps(word, ensure_ascii=False)}")
  sums = Sums(float(nats.sum()), len(nats))
  scores = {f"{token}s": len(nats), **run.config.task.scores(sums)}
  if unknown := run.vocabulary.unknown(text):
    scores[f"unknown_{token}s"] = sum(map(tokens.count, unknown))
  print("\n".join(_lines(scores)))


def _lines(scores, between: str = ": ") -> list[str]:
  return [
    name.replace("_", " ")
    + between
    + (f"{value:,}" if isinstance(value, int) else f"{value:.4f}")
    for name, value in scores.items()
  ]


if __name__ == "__main__":
  run_command(main)
