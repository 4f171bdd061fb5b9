"""Trains the points of a sweep; the same command again goes on.

  python -m experiments.sweep --config=configs/adding.py \\
      --sweep=configs/sweeps/adding_rates.py --workdir=runs/adding_rates

A sweep file's get_sweep() returns points or a search space, see
lstm_jax/config/sweeps.py. Each point has a run directory named by its
overrides. Those that are finished are left alone, those that were stopped go
on, those that failed are tried again. More overrides, --config.a.b=value, are
every point's.

--launcher=local is one process a core or accelerator; vmap is one program for
all points that differ in seed and learning rate alone; optuna searches a space
and stops points that lag behind; ray is Ray Tune, on a cluster (--ray_address)
or here, and stops points of a search space that lag behind; slurm submits a job
array, whose options are sbatch's, --slurm=partition=gpu,time=60.
"""

import collections
import importlib
import pathlib
import signal

from absl import flags

from experiments import command_line
from experiments.console import typed_command
from experiments.launchers import local, slurm, vmap
from experiments.launchers.child import Job
from experiments.sweep_results import Entry, find_results, write_index
from experiments.sweep_summary import TABLE, summarise_results, write_results
from lstm_jax.config import Config, checks, sweeps, user_file
from lstm_jax.config import config as config_lib
from lstm_jax.config.sweeps import Point, SearchSpace
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run.directory import differences, read_config
from lstm_jax.run.status import read_state

LAUNCHERS = ("local", "vmap", "optuna", "slurm", "ray")
WORKERS = "runs at once; 0 is one a core or accelerator, or what there is"
RAY_ADDRESS = "HOST:PORT of a Ray cluster, or auto; empty starts one here"


def load_sweep(file: str) -> list[Point] | SearchSpace:
  """What get_sweep() of a sweep file returns.

  Raises:
    ConfigError: no such file, or it fails, or returns something else.
  """
  path, variant = user_file.find_file(file, "configs/sweeps", "sweep")
  sweep = user_file.call_in_file(path, "get_sweep", "sweep", variant)
  if isinstance(sweep, SearchSpace):
    return sweep
  if not isinstance(sweep, list) or not all(isinstance(p, dict) for p in sweep):
    raise ConfigError(
      f"{file}: get_sweep must return a list of overrides or a SearchSpace"
    )
  if not sweep:
    raise ConfigError(f"{file}: the sweep has no points")
  return sweep


def make_job(
  workdir: pathlib.Path, base: list[str], config: Config, point: Point
) -> Job:
  """The run of a point, whose overrides were checked.

  base: the words that all points share, which make `config`.

  Raises:
    ConfigError: the overrides make no sense.
  """
  words = (*sweeps.override(base, sweeps.override_words(point)),)
  try:
    command_line.parse_config(["sweep", *words])
  except ConfigError as error:
    text = ", ".join(f"{k}={config_lib.show(v)}" for k, v in point.items())
    raise ConfigError(f"point {text}: {error}") from None
  return Job(workdir, sweeps.name_point(point, config), words)


def base_words(file: str, config: Config) -> list[str]:
  """The words that make `config` of a config file."""
  before = config_lib.fields(command_line.load_config_file(file))
  after = config_lib.fields(config)
  # What nothing reads here may be read in a point, which then has the file's.
  same = checks.unread(config)
  changed = {
    k: v for k, v in after.items() if v != before.get(k) and k not in same
  }
  return [f"--config={file}", *sweeps.override_words(changed)]


def plan_sweep(
  workdir: pathlib.Path, base: list[str], config: Config, points: list[Point]
) -> tuple[list[Entry], list[Job]]:
  """A run for each point.

  Raises:
    ConfigError: a point makes no sense, or comes twice.
  """
  jobs = [make_job(workdir, base, config, point) for point in points]
  name, count = collections.Counter(j.name for j in jobs).most_common(1)[0]
  if count > 1:
    raise ConfigError(f"the sweep has the point {name} more than once")
  named = zip(jobs, points, strict=True)
  return [Entry(j.name, j.name, None, point) for j, point in named], jobs


def is_finished(job: Job) -> bool:
  """There is nothing left to do. A directory of another config is not
  finished: training will say what differs."""
  if read_state(job.directory) != "finished":
    return False
  config = command_line.parse_config(["sweep", *job.words])
  old = read_config(job.directory)
  return not differences(old, config, ("task.corpus", "task.data"))


def take_shard(jobs: list[Job], text: str | None) -> list[Job]:
  """Every n-th job, from the k-th on, of --shard=k/n.

  Raises:
    ConfigError: it is not of that form.
  """
  if not text:
    return jobs
  number, slash, total = text.partition("/")
  if not (slash and number.isdecimal() and total.isdecimal()) or not (
    1 <= int(number) <= int(total)
  ):
    raise ConfigError(
      f"--shard={text}: must be K/N with K from 1 to N, as 3/16"
    )
  return jobs[int(number) - 1 :: int(total)]


def report_sweep(workdir: pathlib.Path) -> int:
  """Summary, CSV and pictures; the exit code."""
  from experiments.sweep_plots import plot_results  # see pictures.py

  results = find_results([workdir])
  print(summarise_results(results))
  write_results(workdir / TABLE, results)
  try:
    for path in plot_results(results, workdir):
      print(path)
  except RunError as error:
    print(f"no picture: {error}")
  print(workdir / TABLE)
  failed = any(result.state == "failed" for result in results)
  return command_line.EXIT_ERROR if failed else 0


def _launcher(module: str, name: str, package: str):
  """The module of a launcher that needs a package.

  Raises:
    ConfigError: it is not installed.
  """
  try:
    return importlib.import_module(f"experiments.launchers.{module}")
  except ImportError:
    raise ConfigError(
      f"--launcher={name}: it is not installed; pip install '{package}'"
    ) from None


def main(argv: list[str]) -> int:
  values = command_line.new_flags(
    sweep=(None, "sweep file"),
    workdir=(None, "directory of the runs"),
    launcher=("local", "what runs the points", LAUNCHERS),
    workers=(0, WORKERS, (0, 10_000)),
    dry_run=(False, "print the commands and do nothing"),
    slurm=([], f"options of sbatch: {', '.join(slurm.OPTIONS)}"),
    ray_address=("", RAY_ADDRESS),
    shard=(None, "K/N: every N-th run from the K-th on"),
  )
  config = command_line.parse_config(argv, values, __doc__)
  for name in ("sweep", "workdir"):
    if not values[name].value:
      raise ConfigError(f"--{name} is missing; --help lists the flags")
  options = slurm.parse_options(values.slurm)
  for flag, launcher in (("slurm", "slurm"), ("ray_address", "ray")):
    if values[flag].value and values.launcher != launcher:
      raise ConfigError(f"--{flag}: it is for --launcher={launcher}")
  base = base_words(values.config, config)
  workdir = pathlib.Path(values.workdir).expanduser()
  if (workdir / "config.json").exists():
    raise RunError(f"{workdir}: is a run; take another --workdir for the sweep")
  sweep = load_sweep(values.sweep)
  if values.launcher == "optuna":
    return search_points(values, workdir, base, config, sweep)
  is_space = isinstance(sweep, SearchSpace)
  entries, jobs = plan_sweep(
    workdir, base, config, sweeps.sample_points(sweep) if is_space else sweep
  )
  if values.launcher == "vmap":
    entries, jobs = vmap.join_points(workdir, base, config, entries)
  jobs = take_shard(jobs, values.shard)
  todo = [job for job in jobs if not is_finished(job)]
  if values.dry_run:
    if todo and values.launcher == "slurm":
      print(slurm.batch_script(workdir, todo, options, values.workers))
    for job in todo:
      print(typed_command("train", [argv[0], *job.command()[3:]]))
    return 0
  command_line.make_folder(values, "workdir")
  write_index(workdir, entries)
  done = {job.name for job in jobs} - {job.name for job in todo}
  if done:
    print(f"{len(done)} of {len(jobs)} runs are finished already")
  if not todo:
    return report_sweep(workdir)
  if values.launcher == "slurm":
    numbers = slurm.submit(workdir, todo, options, values.workers)
    waiting = len(todo) - len(numbers)
    print(f"{waiting} are queued or running, {len(numbers)} submitted now")
    return 0
  if values.launcher == "ray":
    stopped = _launcher("ray_cluster", "ray", "ray[tune]").run_on_ray(
      jobs if is_space else todo,
      config,
      finished=done,
      early=is_space,
      address=values.ray_address,
      workers=values.workers,
    )
  else:
    places = local.choose_places(config, values.workers)
    stopped = local.run_jobs(local.JobList(todo), places)
  return _end(workdir, stopped)


def search_points(
  values: flags.FlagValues,
  workdir: pathlib.Path,
  base: list[str],
  config: Config,
  space: list[Point] | SearchSpace,
) -> int:
  """Points that Optuna chooses, by what the others scored."""
  if not isinstance(space, SearchSpace):
    raise ConfigError(
      f"{values.sweep}: --launcher=optuna needs a SearchSpace, not points"
    )
  for name in ("shard", "dry_run"):
    if values[name].value:
      raise ConfigError(
        f"--{name}: the points are chosen as the search goes on"
      )
  launcher = _launcher("optuna_search", "optuna", "optuna")
  command_line.make_folder(values, "workdir")
  places = local.choose_places(config, values.workers)
  search = launcher.OptunaSearch(
    workdir,
    space,
    lambda point: make_job(workdir, base, config, point),
    config.task.headline.higher,
  )
  stopped = local.run_jobs(search, places)
  tried = search.tried().items()
  write_index(workdir, [Entry(j.name, j.name, None, p) for j, p in tried])
  return _end(workdir, stopped)


def _end(workdir, stopped: int | None) -> int:
  if stopped is None:
    return report_sweep(workdir)
  print("stopped; the same command goes on there")
  if stopped == signal.SIGINT:
    return command_line.EXIT_SAVED_ON_SIGINT
  return command_line.EXIT_SAVED_ON_SIGTERM


if __name__ == "__main__":
  command_line.run_command(main)
