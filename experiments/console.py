"""The console command: lstm-jax COMMAND ..., the same as python -m
experiments.COMMAND, and from any folder."""

import importlib
import os
import pathlib
import shlex
import sys

import lstm_jax
from lstm_jax.errors import suggest

COMMANDS = {
  "train": "trains what a config describes, or goes on where it stopped",
  "evaluate": "scores a run, a text, or a table of several runs",
  "baselines": "scores what a model must beat: n-grams, means, last values",
  "generate": "prints what a trained model makes up",
  "sweep": "trains every point of a sweep, or searches one",
  "plot": "draws a run's learning curve, or several runs together",
  "runs": "lists the runs below a folder: status, step, best score",
  "gradient_flow": "draws how far back in time a cell's gradients reach",
}
_WIDTH = max(map(len, COMMANDS))
HELP = "\n".join(
  [
    "lstm-jax COMMAND --flag=value ...",
    "",
    *(f"  {name:{_WIDTH}}  {what}" for name, what in COMMANDS.items()),
    "",
    "lstm-jax COMMAND --help lists a command's flags; train and sweep list the",
    "fields of a config with --config=FILE --help too.",
  ]
)


def main(argv: list[str]) -> int | None:
  """Runs the command that argv names; the exit code where it names none."""
  name = argv[1] if len(argv) > 1 else ""
  if name in ("--help", "-h"):
    print(HELP)
    return 0
  if name == "--version":
    print(f"lstm-jax {lstm_jax.__version__}")
    return 0
  if name not in COMMANDS:
    what = f'no command "{name}"' if name else "a command is missing"
    print(f"error: {what}{suggest(name, COMMANDS)}", file=sys.stderr)
    return 2
  # Imported last, as they import JAX, which takes seconds.
  command = importlib.import_module(f"experiments.{name}")
  from experiments.command_line import run_command

  sys.argv = [f"{argv[0]} {name}", *argv[2:]]
  run_command(command.main)


def typed_command(name: str, argv: list[str]) -> str:
  """What a person types to run an experiment's command with these words."""
  words = ["python", "-m", f"experiments.{name}"]
  if pathlib.Path(argv[0]).name.startswith("lstm-jax "):  # see `main`
    words = ["lstm-jax", name]
  return shlex.join([*words, *argv[1:]])


def join_current_directory():
  """Lets a config file import what is where the command runs.

  Folders there with the names of ours are joined to them: its configs come
  before the package's, its experiments after.
  """
  here, ours = os.getcwd(), str(pathlib.Path(__file__).parent.parent)
  if here not in sys.path:
    sys.path.insert(0, here)
  for name, places in (
    ("configs", (here, ours)),
    ("experiments", (ours, here)),
  ):
    folders = dict.fromkeys(os.path.join(place, name) for place in places)
    importlib.import_module(name).__path__ = [*filter(os.path.isdir, folders)]


def run_console():
  """The installed script. A folder `experiments` where it runs does not come
  before this one, nor in the processes that a sweep starts."""
  os.environ.setdefault("PYTHONSAFEPATH", "1")
  sys.exit(main(sys.argv))
