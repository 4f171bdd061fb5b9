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
import pathlib
import shlex
import signal

from absl import flags

from experiments import command_line, sweep_plots
from experiments import sweep_summary as summary
from experiments.launchers import local, optuna, ray, slurm, vmap
from experiments.launchers.child import Job
from experiments.sweep_summary import Entry
from lstm_jax.config import Config, checks, sweeps, user_file
from lstm_jax.config import config as config_lib
from lstm_jax.config.sweeps import Point, SearchSpace
from lstm_jax.errors import ConfigError, RunError
from lstm_jax.run.directory import read_config
from lstm_jax.run.status import read_status

LAUNCHERS = ("local", "vmap", "optuna", "slurm", "ray")


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


def point_config(base: list[str], point: Point) -> Config:
  """The config of a point, checked.

  base: the words that all points share.

  Raises:
    ConfigError: the overrides make no sense.
  """
  try:
    return command_line.parse_config(["sweep", *point_words(base, point)])
  except ConfigError as error:
    text = ", ".join(f"{k}={config_lib.show(v)}" for k, v in point.items())
    raise ConfigError(f"point {text}: {error}") from None


def point_words(base: list[str], point: Point) -> tuple[str, ...]:
  return tuple(sweeps.override(base, sweeps.words(point)))


def base_words(file: str, config: Config) -> list[str]:
  """The words that make `config` of a config file."""
  before = config_lib.fields(command_line.load_config_file(file))
  after = config_lib.fields(config)
  # What nothing reads here may be read in a point, which then has the file's.
  same = checks.unread(config)
  changed = {
    k: v for k, v in after.items() if v != before.get(k) and k not in same
  }
  return [f"--config={file}", *sweeps.words(changed)]


def plan(
  workdir: pathlib.Path, base: list[str], config: Config, points: list[Point]
) -> tuple[list[Entry], list[Job]]:
  """A run for each point.

  Raises:
    ConfigError: a point makes no sense, or comes twice.
  """
  entries, jobs = [], []
  for point in points:
    point_config(base, point)
    name = sweeps.name_point(point, config)
    entries.append(Entry(name, name, None, point))
    jobs.append(Job(workdir, name, point_words(base, point)))
  names = collections.Counter(entry.name for entry in entries)
  if twice := [name for name, count in names.items() if count > 1]:
    raise ConfigError(f"the sweep has the point {twice[0]} more than once")
  return entries, jobs


def is_finished(job: Job) -> bool:
  """There is nothing left to do. A directory of another config is not
  finished: training will say what differs."""
  try:
    if read_status(job.directory).state != "finished":
      return False
    config = command_line.parse_config(["sweep", *job.words])
    old = read_config(job.directory)
    ignore = ("task.corpus",)
    return not config_lib.differences(old, config, ignore)
  except RunError:
    return False


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


def finish(workdir: pathlib.Path) -> int:
  """Summary, CSV and pictures; the exit code."""
  results = summary.find_results([workdir])
  print(summary.summarise(results))
  summary.write_csv(workdir / summary.TABLE, results)
  try:
    for path in sweep_plots.plot_results(results, workdir):
      print(path)
  except RunError as error:
    print(f"no picture: {error}")
  print(workdir / summary.TABLE)
  failed = any(result.state == "failed" for result in results)
  return command_line.EXIT_ERROR if failed else 0


def define_flags() -> flags.FlagValues:
  values = command_line.new_flags()
  flags.DEFINE_string("sweep", None, "sweep file", flag_values=values)
  flags.DEFINE_string(
    "workdir", None, "directory of the runs", flag_values=values
  )
  flags.DEFINE_enum(
    "launcher", "local", LAUNCHERS, "what runs the points", flag_values=values
  )
  flags.DEFINE_integer(
    "workers",
    0,
    "runs at once; 0 is one a core or accelerator, or what the cluster allows",
    lower_bound=0,
    upper_bound=10_000,
    flag_values=values,
  )
  flags.DEFINE_bool(
    "dry_run", False, "print the commands and do nothing", flag_values=values
  )
  flags.DEFINE_list(
    "slurm",
    [],
    f"options of sbatch: {', '.join(slurm.OPTIONS)}",
    flag_values=values,
  )
  flags.DEFINE_string(
    "ray_address",
    "",
    "HOST:PORT of a Ray cluster, or auto; empty starts one here",
    flag_values=values,
  )
  flags.DEFINE_string(
    "shard", None, "K/N: every N-th run from the K-th on", flag_values=values
  )
  return values


def main(argv: list[str]) -> int:
  values = define_flags()
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
    return search(values, workdir, base, config, sweep)
  points = sweeps.sample(sweep) if isinstance(sweep, SearchSpace) else sweep
  entries, jobs = plan(workdir, base, config, points)
  if values.launcher == "vmap":
    entries, jobs = vmap.join(workdir, base, config, entries)
  jobs = take_shard(jobs, values.shard)
  todo = [job for job in jobs if not is_finished(job)]
  if values.dry_run:
    if todo and values.launcher == "slurm":
      print(slurm.script(workdir, todo, options, values.workers))
    for job in todo:
      print(shlex.join(job.command()))
    return 0
  command_line.make_folder(values, "workdir")
  summary.write_index(workdir, entries)
  done = {job.name for job in jobs} - {job.name for job in todo}
  if done:
    print(f"{len(done)} of {len(jobs)} runs are finished already")
  if not todo:
    return finish(workdir)
  if values.launcher == "slurm":
    numbers = slurm.submit(workdir, todo, options, values.workers)
    waiting = len(todo) - len(numbers)
    print(f"{waiting} are queued or running, {len(numbers)} submitted now")
    return 0
  if values.launcher == "ray":
    early = isinstance(sweep, SearchSpace)
    stopped = ray.run_jobs(
      jobs if early else todo,
      config,
      finished=done,
      early=early,
      address=values.ray_address,
      workers=values.workers,
    )
  else:
    places = local.choose_places(config, values.workers)
    stopped = local.run_jobs(todo, places)
  return finish(workdir) if stopped is None else say_stopped(stopped)


def search(values, workdir, base, config, space) -> int:
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

  def make_job(point: Point) -> Job:
    point_config(base, point)
    name = sweeps.name_point(point, config)
    return Job(workdir, name, point_words(base, point))

  command_line.make_folder(values, "workdir")
  places = local.choose_places(config, values.workers)
  stopped, tried = optuna.run_search(workdir, space, make_job, places)
  entries = [Entry(job.name, job.name, None, point) for job, point in tried]
  summary.write_index(workdir, entries)
  return finish(workdir) if stopped is None else say_stopped(stopped)


def say_stopped(number: int) -> int:
  print("stopped; the same command goes on there")
  if number == signal.SIGINT:
    return command_line.EXIT_SAVED_ON_SIGINT
  return command_line.EXIT_SAVED_ON_SIGTERM


if __name__ == "__main__":
  command_line.run_command(main)
