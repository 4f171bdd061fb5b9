"""Points that Optuna chooses, and what becomes of them when a launcher ends."""

import signal

import pytest

from experiments.launchers import local
from experiments.launchers.child import Job, Place
from lstm_jax.config.sweeps import Choice, Integers, SearchSpace, Uniform

optuna = pytest.importorskip("experiments.launchers.optuna_search")

BASE = ["--config=configs/adding.py:tiny"]
RATE, SEED = "optimizer.learning_rate", "train.seed"
SPACE = SearchSpace(
  {
    RATE: Uniform(1e-4, 1e-1, log=True),
    "model.hidden_sizes": Choice(((4,), (8,))),
    SEED: Integers(0, 3),
  },
  trials=3,
)


def make_job(tmp_path):
  return lambda point: Job(tmp_path, "run", tuple(BASE))


@pytest.mark.filterwarnings("ignore")  # Optuna's, of what is experimental
def test_trials_of_a_dead_worker_are_taken_over(tmp_path, monkeypatch):
  states = optuna.TrialState
  study = optuna.open_study(tmp_path, SPACE)
  dead = study.ask()
  dead.set_user_attr("worker", "another-host 1")
  point = optuna.suggest_point(dead, SPACE)
  assert set(point) == set(SPACE.axes) and point["train.seed"] in range(4)
  assert 1e-4 <= point[RATE] <= 1e-1
  study = optuna.open_study(tmp_path, SPACE)  # another process
  search = optuna.OptunaSearch(tmp_path, SPACE, make_job(tmp_path))
  assert study.get_trials()[0].state == states.RUNNING  # it has just begun
  monkeypatch.setattr(optuna, "_DEAD", -1)
  search.take_over()
  again = study.ask()
  assert optuna.suggest_point(again, SPACE) == point
  assert [t.state for t in study.get_trials()] == [states.FAIL, states.RUNNING]
  assert not search.is_done()
  for _ in range(2):
    study.tell(study.ask(), 1.0)
  assert search.is_done()  # one runs, two are done


@pytest.mark.filterwarnings("ignore")
def test_two_workers_take_over_at_once(tmp_path, monkeypatch):
  study = optuna.open_study(tmp_path, SPACE)
  optuna.suggest_point(study.ask(), SPACE)

  def other_is_faster(trial, log):
    study.tell(trial.number, state=optuna.TrialState.FAIL)
    return False

  monkeypatch.setattr(optuna, "_lives", other_is_faster)
  optuna.OptunaSearch(tmp_path, SPACE, make_job(tmp_path))
  assert [t.state.name for t in study.get_trials()] == ["FAIL"]


class Import:
  """A training process that a signal ends while it imports. At a look at the
  second one a signal comes to the launcher."""

  code, sent = -signal.SIGTERM, signal.SIGTERM

  def __init__(self, job, place):
    self.job, self._stopped = job, False
    self._sends = place.number == 1

  def poll(self):
    if self._sends:
      self._sends = False
      signal.raise_signal(self.sent)
    return self.code if self._stopped else None

  def stop(self):
    self._stopped = True

  def beat(self):
    pass


def search(tmp_path, monkeypatch, process, trials=3):
  """Runs a search of three points, two at once; the states of its trials."""
  space = SearchSpace({SEED: Integers(0, 10**6)}, trials)
  monkeypatch.setattr(local, "Child", process)
  monkeypatch.setattr(optuna, "read_curve", lambda path: [(1, 0.5)])
  monkeypatch.setattr(local, "_SECONDS", 0.0)

  def job_of(point):
    return Job(tmp_path, f"seed={point[SEED]}", tuple(BASE))

  places = [Place(number) for number in range(2)]
  chosen = optuna.OptunaSearch(tmp_path, space, job_of)
  stopped = local.run_jobs(chosen, places)
  study = optuna.open_study(tmp_path, space)
  names = [job.name for job in chosen.tried()]
  return stopped, names, [trial.state.name for trial in study.get_trials()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("code", [-15, -2, -9, 75, 130])
def test_a_point_is_not_lost_with_its_launcher(
  tmp_path, monkeypatch, code, sent
):
  monkeypatch.setattr(Import, "code", code)
  monkeypatch.setattr(Import, "sent", sent)
  stopped, begun, states = search(tmp_path, monkeypatch, Import)
  assert stopped == sent and len(begun) == 2
  assert states == ["RUNNING"] * 2
  # The next start may be on another machine, at once.
  monkeypatch.setattr(optuna.platform, "node", lambda: "elsewhere")
  stopped, names, states = search(tmp_path, monkeypatch, SlowChild)
  assert stopped is None and len(names) == 3 and set(begun) < set(names)
  assert sorted(states) == ["COMPLETE"] * 3 + ["FAIL"] * 2


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_fails_by_itself_is_not_tried_again(tmp_path, monkeypatch):

  class Broken(SlowChild):
    def poll(self):
      return 2

  monkeypatch.setattr(optuna, "_MOMENT", -1)
  for process in (Broken, SlowChild):
    _, names, states = search(tmp_path, monkeypatch, process)
    assert len(names) == 3 and states == ["FAIL"] * 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("asked", [0, 1, 2])
def test_a_launcher_killed_at_any_moment(tmp_path, monkeypatch, asked):
  """While it asks for a point, after that, and between telling that a trial is
  dead and queueing its point again."""
  space = SearchSpace({SEED: Integers(0, 10**6)}, 3)
  study = optuna.open_study(tmp_path, space)
  for _ in range(2):
    trial = study.ask()
    trial.set_user_attr("worker", "nobody")
    if asked:
      optuna.suggest_point(trial, space)
    if asked == 2:
      study.tell(trial, state=optuna.TrialState.FAIL)
  monkeypatch.setattr(optuna, "_MOMENT", -1)
  begun = [t.params[SEED] for t in study.get_trials() if t.params]
  _, names, ended = search(tmp_path, monkeypatch, SlowChild)
  assert ended.count("COMPLETE") == len(names) == 3
  assert {f"seed={seed}" for seed in begun} <= set(names)


@pytest.mark.filterwarnings("ignore")
def test_a_launcher_killed_while_it_takes_over(tmp_path, monkeypatch):
  search(tmp_path, monkeypatch, Import)
  space = SearchSpace({SEED: Integers(0, 10**6)}, 3)
  optuna.OptunaSearch(tmp_path, space, make_job(tmp_path))
  study = optuna.open_study(tmp_path, space)
  study.ask().set_user_attr("worker", "nobody")  # and dies
  begun = [t.params[SEED] for t in study.get_trials() if t.params]
  _, names, ended = search(tmp_path, monkeypatch, SlowChild)
  assert ended.count("COMPLETE") == len(names) == 3
  assert {f"seed={seed}" for seed in begun} <= set(names)


class SlowChild:
  """A training process that ends at the 20th look."""

  def __init__(self, job, place):
    self.job, self._looks = job, 0

  def poll(self):
    self._looks += 1
    return 0 if self._looks == 20 else None

  def beat(self):
    pass


@pytest.mark.filterwarnings("ignore")
def test_a_point_under_way_waits_for_itself(tmp_path, monkeypatch):
  space = SearchSpace({SEED: Integers(0, 1)}, trials=4)
  monkeypatch.setattr(local, "Child", SlowChild)
  monkeypatch.setattr(optuna, "read_curve", lambda path: [(1, 0.5)])
  monkeypatch.setattr(local, "_SECONDS", 0.0)
  running = []

  class Watched(optuna.OptunaSearch):
    def take(self, now):
      running.append(now)
      return super().take(now)

  search = Watched(
    tmp_path, space, lambda p: Job(tmp_path, f"seed={p[SEED]}", tuple(BASE))
  )
  local.run_jobs(search, [Place(number) for number in range(3)])
  assert all(len(set(jobs)) == len(jobs) for jobs in running)
  states = [t.state.name for t in optuna.open_study(tmp_path, space).trials]
  assert states == ["COMPLETE"] * 4


@pytest.mark.filterwarnings("ignore")
def test_a_trial_that_lags_behind_is_stopped(tmp_path, monkeypatch):
  search = optuna.OptunaSearch(
    tmp_path, SPACE, lambda p: Job(tmp_path, f"{p}", tuple(BASE))
  )
  for worst in (False, False, False, False, True):
    curve = [(k, 9.0 if worst else 1.0 / k) for k in range(1, 9)]
    monkeypatch.setattr(optuna, "read_curve", lambda path, c=curve: c)
    job = search.take([])
    assert search.watch(job) == "lags behind" * worst
    assert not search.put_back(job, 0, False)
