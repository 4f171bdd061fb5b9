"""The loss of a trained model on a split, or on every character of a text.

  python -m experiments.evaluate --workdir=runs/char_lm --split=valid
  python -m experiments.evaluate --workdir=runs/char_lm --score=TEXT_FILE

By default the state runs through the whole split in one stream. --score prints
a line for each character, nats and the character as JSON, as if the text
followed a line end.
"""

import json
import sys

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
from lstm_jax.tasks.char_lm import CharLM
from lstm_jax.trained_run import Run, load_checkpoint
from lstm_jax.training.evaluation import make_evaluation

SPLITS = ("valid", "test")


def evaluate_split(
  run: Run, workdir: str, split: str, streams: int
) -> dict[str, float | int]:
  """Scores of a run on a split of the text it was trained on.

  Raises:
    DataError: the text cannot be read.
    RunError: it is not the text of the training.
  """
  config = run.config
  task = config.task.load(config.train.batch_size, run.vocabulary)
  trained_on = read_record(workdir)["data"].get("corpus_sha256")
  if trained_on not in (None, task.record.get("corpus_sha256")):
    raise RunError(
      f"{workdir}: the run was trained on another version of its text"
      f" ({read_record(workdir)['data']['corpus']}, now"
      f" {task.record['corpus']}); --score=FILE scores any text"
    )
  structure, _ = nnx.split(run.model)
  streams = streams or task.evaluation_streams
  evaluate = make_evaluation(structure, task, split, streams)
  sums = evaluate(run.params, _show_percent)
  return {f"{task.token}s": int(sums.weight), **task.scores(sums)}


def _show_percent(done: int, all: int):
  if sys.stderr.isatty():
    end = "\r\x1b[K" if done == all else ""
    print(f"\r{100 * done // all} %{end}", end="", file=sys.stderr)


def score_text(run: Run, text: str) -> np.ndarray:
  """Nats of every character [t], the text taken to follow a line end."""
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
    "pieces of the split read side by side; of a text 1 is exact, more are"
    " faster; 0 chooses",
    lower_bound=0,
    upper_bound=100_000,
    flag_values=values,
  )
  flags.DEFINE_integer(
    "trial",
    0,
    "which, of a run of several trials",
    lower_bound=0,
    flag_values=values,
  )
  flags.DEFINE_string(
    "score", None, "a UTF-8 text to score instead", flag_values=values
  )
  flags.DEFINE_enum(
    "platform", None, PLATFORMS, "where to compute", flag_values=values
  )
  parse_flags(values, argv, __doc__, required=("workdir",))
  if values.score is not None and (
    values["split"].present or values["streams"].present
  ):
    raise ConfigError("--score takes neither --split nor --streams")
  runtime.setup(values.platform or "")
  text = read_text(values.score) if values.score is not None else None
  run, step = load_checkpoint(values.workdir, values.checkpoint, values.trial)
  if text is not None and run.vocabulary is None:
    raise ConfigError("--score: the run was not trained on text")
  if text is None:
    scores = evaluate_split(run, values.workdir, values.split, values.streams)
    print(f"checkpoint {step}, {values.split} split")
  else:
    nats = score_text(run, text)
    for value, character in zip(nats, text, strict=True):
      print(f"{value:.4f}\t{json.dumps(character, ensure_ascii=False)}")
    sums = Sums(float(nats.sum()), len(nats))
    scores = {"characters": len(nats), **CharLM.scores(sums)}
    if unknown := run.vocabulary.unknown(text):
      scores["unknown_characters"] = sum(map(text.count, unknown))
  for name, value in scores.items():
    shown = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
    print(f"{name.replace('_', ' ')}: {shown}")


if __name__ == "__main__":
  run_command(main)
