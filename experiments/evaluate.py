"""The loss of a trained model on a split, or on every token of a text.

  python -m experiments.evaluate --workdir=runs/char_lm --split=valid
  python -m experiments.evaluate --workdir=runs/6a --split=test --trial=all
  python -m experiments.evaluate --workdir=runs/parity --task=length=500
  python -m experiments.evaluate --workdir=runs/words --mode=dynamic --tune
  python -m experiments.evaluate --workdir=runs/words --mode=cache --split=test
  python -m experiments.evaluate --workdir=runs/char_lm --score=TEXT_FILE
  python -m experiments.evaluate --workdir=runs/pairs --search.name=beam
  python -m experiments.evaluate --workdir=runs/digits --predictions=FILE
  python -m experiments.evaluate runs/one runs/two --split=test
  python -m experiments.evaluate --workdir=runs/adding_rates --csv=scores.csv

By default the state runs through the whole split in one stream, which is exact;
--streams=1,32 scores both ways, and says by how much the second differs from
the first. --trial=all prints a line for each trial; --json prints JSON objects,
one a line. --task changes fields of the task, such as the length of its
sequences, to see whether the model generalises. --mode evaluates a language
model that adapts to what it reads, or under dropout; --tune finds its settings
on the validation split, and keeps them for later calls. --score prints a line
for each character or word, its nats and itself as JSON, as if the text followed
a line end. Where answers are decoded, --search.X says how; --predictions writes
what the model says of each sequence, a JSON object a line.

Several directories, or one of a sweep or of many runs, give a table with a line
for each run, or for each trial; --csv=FILE keeps it. A run that cannot be
scored is a line that says why, and the exit code is 2 then.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

from absl import flags
from flax import nnx

from experiments.command_line import (
  PLATFORMS,
  new_flags,
  parse_words,
  run_command,
)
from experiments.evaluate_runs import evaluate_runs, holds_runs
from experiments.evaluation_modes import (
  check_mode_flags,
  define_mode_flags,
  evaluate_in_mode,
  mode_config,
  tune_mode,
)
from experiments.field_flags import define_field_flags, read_fields
from experiments.plain_text import strict_json
from experiments.progress import percent_line
from experiments.score_text import print_score, score_lines
from lstm_jax.config import Config, type_name, validate
from lstm_jax.errors import ConfigError, RunError, suggest
from lstm_jax.evaluation.predictions import make_predictions
from lstm_jax.evaluation.static import make_evaluation
from lstm_jax.parallel import runtime
from lstm_jax.run.directory import read_record
from lstm_jax.run.load import Run, load_checkpoint, load_trials
from lstm_jax.search.base import SearchConfig
from lstm_jax.tasks.base import GeneratingConfig, JudgingTask
from lstm_jax.training.stopping import StopConfig

SPLITS = ("valid", "test")


def evaluate_trials(
  workdir: str,
  split: str,
  checkpoint: str = "best",
  *,
  trial: int | None = None,
  streams: Sequence[int] = (0,),
  changes: Sequence[str] = (),
  search: Callable[[SearchConfig], SearchConfig] = lambda usual: usual,
  predictions: pathlib.Path | None = None,
) -> list[dict[str, float | int]]:
  """Scores of a run's trials on a split; the model is compiled once.

  Args:
    split: "valid" or "test".
    checkpoint: "best" by validation, "latest", or a step.
    trial: the only one to score; all by default.
    streams: pieces of the split read side by side; 0 chooses. Of several
      numbers each gives its records.
    changes: fields of the task with other values than at training, each as
      "length=500".
    search: how answers are decoded, given what the task takes.
    predictions: file for what the model says, of one trial.

  Returns a record a trial: trial, step, tokens or sequences scored, the scores;
  of several numbers of streams also these, and from the second on the
  difference of the main score to that of the first.

  Raises:
    ConfigError: a change is wrong, or the model does not fit the task then.
    DataError: the text cannot be read.
    RunError: no such run, checkpoint or trial, or other data than at training.
  """
  if trial is None:
    runs, step = load_trials(workdir, checkpoint)
  else:
    run, step = load_checkpoint(workdir, checkpoint, trial)
    runs = [run]
  change_task(runs[0].config, changes)
  task = _load_task(runs[0], workdir)
  structure, _ = nnx.split(runs[0].model)
  records: list[dict] = []
  for wanted in streams:
    rows = wanted or task.rows
    evaluate = make_evaluation(structure, task, split, rows)
    for number, run in enumerate(runs, trial or 0):
      watch = functools.partial(percent_line, split)
      sums = evaluate(run.params, watch)
      if isinstance(task, JudgingTask) or predictions:
        usual = SearchConfig()
        if isinstance(task.config, GeneratingConfig):
          usual = task.config.usual_search()
        judge = make_predictions(structure, task, split, rows, search(usual))
        sums += judge(run.params, watch, predictions)
      count = sums.extra.get("sequences", sums.weight)
      record = {"trial": number, "step": step, f"{task.token}s": int(count)}
      records.append(record | task.scores(sums))
      if len(streams) > 1:
        records[-1]["streams"] = rows
  main, trials = task.headline.name, len(runs)
  for number, record in enumerate(records[trials:]):
    first = records[number % trials][main]
    record[f"{main}_difference"] = record[main] - first
  return records


def evaluate_adapted(
  values: flags.FlagValues, trial: int
) -> list[dict[str, float | int]]:
  """The same record, of one trial, in another mode than static.

  --tune prints what it tries, and there are no records.

  Raises:
    As `evaluate_trials`.
  """
  run, step = load_checkpoint(values.workdir, values.checkpoint, trial)
  change_task(run.config, values.task)
  task = _load_task(run, values.workdir)
  chosen = mode_config(values)
  if values.tune:
    tune_mode(values, chosen, run, task)
    return []
  sums = evaluate_in_mode(values, chosen, run, task)
  record = {"trial": trial, "step": step, f"{task.token}s": int(sums.weight)}
  return [record | task.scores(sums) | dataclasses.asdict(chosen)]


def change_task(config: Config, changes: Sequence[str]):
  """Sets fields of a trained run's task, given as "length=500".

  Raises:
    ConfigError: no such field, a wrong value, or one that changes the symbols.
  """
  task, spec = config.task, config.task.spec()
  values = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
  known = [
    name
    for name, value in values.items()
    if name != "name" and not isinstance(value, bool)
  ]
  for change in changes:
    name, _, value = change.partition("=")
    if name not in known:
      raise ConfigError(f'--task: no field "{name}"' + suggest(name, known))
    try:
      setattr(task, name, type(values[name])(value))
    except ValueError:
      raise ConfigError(
        f"--task: {name} must be {type_name(values[name])}, got {value!r}"
      ) from None
  if changes:
    config.train.stop = StopConfig()  # of training, which is over
    validate(config)
  if task.spec() != spec:
    raise ConfigError(
      f"--task={','.join(changes)}: the model was made for {spec}, which would"
      f" become {task.spec()}"
    )


def _load_task(run: Run, workdir: str):
  """The task of a run, with the data that it was trained on."""
  config = run.config
  task = config.task.load(config.train.batch_size, run.assets)
  old = read_record(workdir)["data"]
  for name, value in old.items():
    if name.endswith("sha256") and value != task.record.get(name):
      raise RunError(
        f"{workdir}: the run was trained on another version of its data"
        f" ({old['corpus']}, now {task.record['corpus']}); --score=FILE scores"
        " any text"
      )
  return task


def main(argv: list[str]) -> int | None:
  values = new_flags(
    workdir=(None, "run directory"),
    checkpoint=("best", "best, latest, or a step"),
    split=("valid", "which split to score", SPLITS),
    streams=(
      ["0"],
      "pieces of the split side by side; of a text 1 is exact; 0 chooses; 1,32"
      " compares",
    ),
    trial=("0", "which, of a run of several; or all"),
    task=([], "fields of the task to change, as shortest=41,length=500"),
    json=(False, "print JSON"),
    score=(None, "a UTF-8 text to score instead"),
    platform=(None, "where to compute", PLATFORMS),
    predictions=(None, "file for what the model says"),
    csv=(None, "file for the table of several runs"),
  )
  define_mode_flags(values)
  define_field_flags(values, SearchConfig, "search.", "what the task takes")
  words = parse_words(values, argv, __doc__)
  if words and values.workdir:
    raise ConfigError(
      f'unexpected word "{words[0]}" beside --workdir; flags look like'
      " --name=value"
    )
  if not words and not values.workdir:
    raise ConfigError(
      "--workdir is missing; or give directories of runs; --help lists the"
      " flags"
    )
  of_several = bool(words) or holds_runs(values.workdir)
  every = of_several and not values["trial"].present
  one_text = values.score is not None and not of_several
  trial = None if every else _parse_trial(values.trial, not one_text)
  values.streams = _parse_streams(values.streams)
  score = functools.partial(
    evaluate_trials,
    split=values.split,
    checkpoint=values.checkpoint,
    trial=trial,
    streams=values.streams,
    changes=values.task,
    search=lambda usual: read_fields(values, usual, "search."),
  )
  if of_several:
    return evaluate_runs(values, words or [values.workdir], score)
  if values.csv:
    raise ConfigError("--csv: is for the table of several runs")
  if one_text:
    for name in ("split", "streams", "json", "task", "mode", "tune"):
      if values[name].present:
        raise ConfigError(f"--score takes no --{name}")
  check_mode_flags(values, trial)
  if values.predictions and (trial is None or values.mode != "static"):
    raise ConfigError("--predictions: are those of one trial, as trained")
  runtime.setup(values.platform or "")
  if one_text:
    return print_score(values, trial or 0)
  if values.mode == "static":
    file = values.predictions and pathlib.Path(values.predictions)
    records = score(values.workdir, predictions=file)
  elif not (records := evaluate_adapted(values, trial or 0)):
    return
  if values.json:
    for record in records:
      print(strict_json(record))
    return
  mode = "" if values.mode == "static" else f", {values.mode}"
  print(f"checkpoint {records[0]['step']}, {values.split} split{mode}")
  for record in records:
    scores = dict(list(record.items())[2:])
    if trial is None:
      print(f"trial {record['trial']}: " + ", ".join(score_lines(scores, " ")))
    else:
      print("\n".join(score_lines(scores)))


def _parse_trial(text: str, all_too: bool) -> int | None:
  if text == "all" and all_too:
    return None
  if not text.isdecimal():
    raise ConfigError(
      f"--trial={text}: must be a number from 0 on" + " or all" * all_too
    )
  return int(text)


def _parse_streams(words: list[str]) -> list[int]:
  for word in words or [""]:
    if not word.isdecimal() or int(word) > 100_000:
      text = ",".join(words)
      raise ConfigError(
        f"--streams={text}: must be numbers from 0 to 100000, as 1,32"
      )
  return list(map(int, words))


if __name__ == "__main__":
  run_command(main)
