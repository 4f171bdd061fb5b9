"""Tables, pictures and searches, of a score of which more is better."""

import pytest
from fake_runs import fake_run
from helpers import run_main

from configs import reversed_pairs
from experiments import runs as runs_command
from experiments import sweep_plots, sweep_summary
from experiments.launchers.child import Job
from experiments.pictures import picture
from experiments.sweep_results import find_results
from lstm_jax.config.sweeps import SEED, Integers, SearchSpace

CURVES = {
  (0.1, 0): [0.2, 0.8],
  (0.1, 1): [0.6, 0.1],
  (0.01, 0): [0.3, 0.5],
  (0.01, 1): [0.4, 0.2],
}


@pytest.fixture
def runs(tmp_path):
  for (rate, seed), (first, last) in CURVES.items():
    point = {"train.seed": seed, "optimizer.learning_rate": rate}
    fake_run(
      tmp_path / f"runs/{rate},{seed}",
      point,
      [(10, first), (20, last)],
      recipe=reversed_pairs,
    )
  return tmp_path / "runs"


def test_the_setting_with_more_comes_first(runs):
  text = sweep_summary.summarise_results(find_results([runs]))
  _, title, _, first, second = text.splitlines()
  assert title.startswith("exact on validation, higher is better: each run")
  # 0.8 and 0.6: mean 0.7, deviation 0.1 sqrt(2); in the end 0.8 and 0.1.
  assert first.split() == "learning_rate=0.1 2 0.7 ± 0.14 0.45 ± 0.49".split()
  assert second.split()[:3] == ["learning_rate=0.01", "2", "0.45"]


def test_the_run_with_most_is_listed_first(runs, capsys):
  printed = run_main(runs_command, capsys, str(runs), "--sort=best")
  names = [line.split()[0] for line in printed.splitlines()[1:]]
  assert names == ["0.1,0", "0.1,1", "0.01,0", "0.01,1"]


def test_the_best_setting_of_a_picture_has_most(runs, tmp_path):
  results = find_results([runs])
  for result in results:  # a second setting at each rate, a little worse
    result.point["model.embedding_size"] = 8
  worse = [
    r._replace(
      point=r.point | {"model.embedding_size": 4},
      run=r.run | {"best_scores": {"exact": r.best - 0.05}},
    )
    for r in results
  ]
  name = "optimizer.learning_rate"
  with picture(tmp_path / "p.png") as (_, grid):
    sweep_plots._panel(grid[0, 0], [*worse, *results], name, "exact")
    lines = {line.get_label(): line for line in grid[0, 0].lines}
  best = lines["best setting, mean of its seeds"]
  assert best.get_xdata().tolist() == [0.01, 0.1]
  assert best.get_ydata().tolist() == pytest.approx([0.45, 0.7])


@pytest.mark.filterwarnings("ignore")  # Optuna's own
def test_a_search_stops_what_has_less_and_keeps_what_had_most(
  tmp_path, monkeypatch
):
  module = pytest.importorskip("experiments.launchers.optuna_search")
  space = SearchSpace({SEED: Integers(0, 10**6)}, 5)

  def job_of(point):
    return Job(tmp_path, f"seed={point[SEED]}", ("--config=x",))

  search = module.OptunaSearch(tmp_path, space, job_of, higher=True)
  for worst in (False, False, False, False, True):
    curve = [(k, 0.01 if worst else 0.1 * k) for k in (1, 8, 2, 3, 4, 5, 6, 7)]
    monkeypatch.setattr(module, "read_curve", lambda path, c=curve: c)
    job = search.take([])
    assert search.watch(job) == "lags behind" * worst
    assert not search.put_back(job, 0, False)
  assert module.open_study(tmp_path, space).best_value == pytest.approx(0.8)
