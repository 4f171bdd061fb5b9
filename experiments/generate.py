"""What a trained model says: text that goes on from a prompt, or an answer to
each line of its input.

  python -m experiments.generate --workdir=runs/char_lm --prompt='def '
  python -m experiments.generate --workdir=runs/char_lm --search.seed=1 \\
      --search.temperature=0.5 --search.length=1000
  python -m experiments.generate --workdir=runs/pairs --input=LINES_FILE \\
      --output=ANSWERS_FILE --search.name=beam --search.best=3
  python -m experiments.generate --workdir=runs/mine --input=NEW.npz \\
      --output=answers.csv

--input has a prompt or question a line, - is the standard input; answers come
in the same order. Text is printed as it is made. The same --search.seed gives
the same text; the prompt can be of any length, one state is carried through it
and on. --output=FOLDER/ keeps the pictures that the task has for its answers.
"""

import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import jax
from absl import flags
from flax import nnx

from experiments.command_line import (
  PLATFORMS,
  new_flags,
  parse_flags,
  run_command,
)
from experiments.field_flags import define_field_flags, read_fields
from lstm_jax.data.text import read_text_file
from lstm_jax.data.vocabulary import visible
from lstm_jax.errors import ConfigError, DataError, RunError
from lstm_jax.evaluation.predictions import predict
from lstm_jax.files import write_atomically
from lstm_jax.parallel import runtime
from lstm_jax.run.load import Run, load_run
from lstm_jax.search.base import SearchConfig
from lstm_jax.search.sample import generate
from lstm_jax.tasks.base import (
  GeneratingConfig,
  ShowingConfig,
  SpeakingConfig,
)


def read_lines(values: flags.FlagValues) -> list[str]:
  """What is asked: the prompt, or each line of the input, if it is no data.

  Raises:
    ConfigError: both are given.
    DataError: the file cannot be read.
  """
  if values.input is None:
    return [values.prompt]
  if values.prompt:
    raise ConfigError("--prompt: the prompts are in --input; leave it out")
  if values.input == "-":
    return sys.stdin.read().splitlines()
  if not pathlib.Path(values.input).expanduser().is_file():
    raise DataError(f"--input={values.input}: no such file; give a text file")
  if values.input.lower().endswith((".npz", ".csv")):
    return []  # which the task reads itself
  return str(read_text_file(values.input)).splitlines()


def said(
  run: Run,
  asked: list[str] | str,
  search: SearchConfig,
  folder: pathlib.Path | None,
) -> Iterator[str]:
  """The model's answers in pieces as they are made, a line each at least.

  asked: lines, or the name of a file for tasks on files.
  folder: for what the task shows of them.

  Raises:
    DataError: a line cannot be read.
  """
  task: Any = run.config.task
  if isinstance(task, SpeakingConfig):
    for line in asked:
      prompt = task.request([line], run.assets).x[0]
      yield line
      blocks = generate(
        run.model,
        prompt,
        search.length,
        temperature=search.temperature * (search.name == "sample"),
        top_k=search.top_k,
        top_p=search.top_p,
        seed=search.seed,
        forbidden=task.unspoken(run.assets),
        restart=task.restart(run.assets),
      )
      yield from task.spoken(blocks, run.assets, line)
      yield "\n"
    return
  of_file = hasattr(task, "request_file")
  request = task.request_file if of_file else task.request
  inputs = request(asked, run.assets)
  structure, params = nnx.split(run.model)

  @jax.jit
  def answer(params, inputs):
    key, model = jax.random.key(search.seed), nnx.merge(structure, params)
    return predict(model, task, inputs, search, key)

  prediction = jax.device_get(answer(params, inputs))
  if of_file:
    said_lines = task.say_file(prediction, inputs, run.assets)
  else:
    said_lines = task.say(prediction, run.assets)
  for line in said_lines:
    yield line + "\n"
  if folder and isinstance(task, ShowingConfig):
    for path in task.show(prediction, inputs, run.assets, folder):
      yield f"{path}\n"


def main(argv: list[str]):
  values = new_flags(
    workdir=(None, "run directory"),
    checkpoint=("best", "best, latest, or a step"),
    prompt=("", "what to go on from"),
    input=(None, "file with a prompt a line; - is stdin"),
    output=(None, "file to write instead, or FOLDER/ for pictures too"),
    platform=(None, "where to compute", PLATFORMS),
  )
  define_field_flags(values, SearchConfig, "search.", "what the task takes")
  parse_flags(values, argv, __doc__, required=("workdir",))
  asked = read_lines(values)
  runtime.setup(values.platform or "")
  run = load_run(values.workdir, values.checkpoint)
  task = run.config.task
  if hasattr(task, "request_file"):
    if values.input in (None, "-"):
      raise ConfigError(f'--input: the task "{task.name}" needs a file of data')
    asked = values.input
  elif not isinstance(task, GeneratingConfig):
    raise RunError(
      f'{values.workdir}: the task "{task.name}" has nothing to generate;'
      " evaluate --predictions=FILE writes what the model says of its data"
    )
  usual = getattr(task, "usual_search", SearchConfig)()
  search = read_fields(values, usual, "search.")
  pieces = said(run, asked, search, _folder(values.output, task))
  if values.output:
    path = pathlib.Path(values.output).expanduser()
    path = path / "answers.txt" if values.output.endswith("/") else path
    write_atomically(path, "".join(pieces))
    return
  show = visible if sys.stdout.isatty() else str
  for text in pieces:
    print(show(text), end="", flush=True)


def _folder(output, task) -> pathlib.Path | None:
  """Raises ConfigError where there is nothing to put in it."""
  if not (output or "").endswith("/"):
    return None
  if not isinstance(task, ShowingConfig):
    raise ConfigError(
      f'--output={output}: the task "{task.name}" has no pictures; give a file'
    )
  path = pathlib.Path(output).expanduser()
  path.mkdir(parents=True, exist_ok=True)
  return path


if __name__ == "__main__":
  run_command(main)
