"""Pictures of runs: what is drawn, in which order, and what is refused."""

import warnings

import pytest
from fake_runs import fake_run, fake_sweep
from helpers import run_main
from matplotlib.colors import to_hex

from experiments import pictures, plot, sweep_plots
from experiments.curves import Choice
from experiments.sweep_results import Result, find_results
from lstm_jax.errors import ConfigError, RunError

POINT = {"train.seed": 0, "optimizer.learning_rate": 0.1}


@pytest.fixture
def drawn(monkeypatch):
  """The figures that are made, kept after they are saved."""
  kept = []
  enter = pictures.picture

  def keeping(*words, **more):
    made = enter(*words, **more)
    real = made.__enter__

    class Kept:
      def __enter__(self):
        found = real()
        kept.append(found)
        return found

      def __exit__(self, *error):
        return made.__exit__(*error)

    return Kept()

  for module in (plot, sweep_plots):
    monkeypatch.setattr(module, "picture", keeping)
  with warnings.catch_warnings():
    warnings.simplefilter("error")  # none is for a user's eyes
    yield kept


def legend(figure) -> list[str]:
  return [t.get_text().replace("\n", " ") for t in figure.legends[0].texts]


def made_up(point, scores=(0.5,), state="finished", designed=True, **more):
  rows = [
    {"step": 10 * k, "valid/squared_error": s} for k, s in enumerate(scores, 1)
  ]
  run = {
    "metric": "squared_error", "higher": False, "task.name": "adding",
    "workdir": "w",
    "best": min(scores), "last": scores[-1], "train": [], "valid": rows,
    "best_scores": {"squared_error": min(scores)}, "state": state,
  }  # fmt: skip
  return Result("name", point, state, "", run | more, designed)


def test_small_errors_are_told_apart(tmp_path, drawn):
  errors = [(10 * k, 0.3 * 10 ** (-k / 4)) for k in range(1, 12)]
  fake_run(tmp_path / "run", POINT, errors)
  plot.plot_run(tmp_path / "run")
  ((figure, grid),) = drawn
  axes = grid[0, 0]
  assert axes.get_yscale() == "log"
  assert axes.get_ylabel() == "squared error"
  assert legend(figure) == ["training", "validation, best 0.0005335"]


def test_the_first_losses_may_be_above_the_axis_but_not_unsaid(tmp_path, drawn):
  fake_run(tmp_path / "run", POINT, [(10 * k, 2 - k / 20) for k in range(1, 9)])
  plot.plot_run(tmp_path / "run")  # trains from 9.0 on
  ((figure, grid),) = drawn
  assert grid[0, 0].get_ylim()[1] > 9  # one point alone is never cut off
  rows = "".join(
    f'{{"step": {k}, "train/squared_error": {8 / k + 1}}}\n'
    for k in range(1, 40)
  )
  with (tmp_path / "run/metrics.jsonl").open("a") as file:
    file.write(rows)
  plot.plot_run(tmp_path / "run")
  figure, grid = drawn[1]
  assert grid[0, 0].get_ylim()[1] < 4
  assert legend(figure)[0] == "training (from 9)"


def test_trials_are_shown_as_trials(tmp_path, drawn):
  few, many = (
    [(10, [1.0, 2.0, 4.0]), (20, [0.5, 1.0, 3.0])],
    [(10 * k, [1.0 + n / k for n in range(12)]) for k in (1, 2)],
  )
  for name, curve, count in (("few", few, 3), ("many", many, 12)):
    fake_run(tmp_path / name, POINT, curve, trials=count, end=False)
    plot.plot_run(tmp_path / name)
  (figure, grid), (other, _) = drawn
  assert legend(figure) == [
    "training, mean of 3 trials",
    "validation: median of 3 trials, thin: each",
  ]
  lines = [line.get_ydata().tolist() for line in grid[0, 0].lines]
  assert lines[1:] == [[1, 0.5], [2, 1], [4, 3], [2, 1]]
  assert "median of 12 trials, band: quartiles" in legend(other)[1]


@pytest.mark.parametrize("width", pictures.WIDTHS)
def test_no_text_is_below_seven_points_or_outside(width, tmp_path, drawn):
  results = [
    made_up(
      {
        "optimizer.learning_rate": rate,
        "model.cell": cell,
        "model.hidden_sizes": [8],
        "train.seed": seed,
      },
      [0.3, rate * (seed + 1)],
    )
    for rate in (1e-4, 1e-3, 1e-2)
    for cell in ("peephole", "layer_norm", "multiplicative", "mogrifier")
    for seed in range(2)
  ]
  sweep_plots.plot_results(results, tmp_path, Choice(width=width))
  for figure, _ in drawn:
    figure.draw_without_rendering()
    texts = [
      t
      for t in figure.findobj(lambda a: hasattr(a, "get_fontsize"))
      if t.get_text() and t.get_visible()
    ]
    assert min(t.get_fontsize() for t in texts) >= 7
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width + 1
    assert box.y0 >= 0 and box.y1 <= figure.bbox.height + 1


def test_sizes_are_in_order_and_categories_are_not_joined(tmp_path, drawn):
  results = [
    made_up({"model.hidden_sizes": [size], "model.cell": cell}, [1 / size])
    for size in (128, 8, 16, 32)
    for cell in ("rnn", "lstm")
  ]
  sweep_plots.plot_results(results, tmp_path)
  _, grid = drawn[0]
  sizes, cells = grid[0]
  assert sizes.get_xscale() == "log"
  assert [t.get_text() for t in sizes.get_xticklabels()] == [
    "8", "16", "32", "128",
  ]  # fmt: skip
  assert sizes.get_xticks().tolist() == [8, 16, 32, 128]
  lines = {line.get_label(): line for line in cells.lines}
  assert lines["median of the runs"].get_linestyle() == "None"
  # words stay in the order of the sweep
  assert [t.get_text() for t in cells.get_xticklabels()] == ["rnn", "lstm"]
  median = next(x for x in sizes.lines if x.get_label() == "median of the runs")
  assert median.get_xdata().tolist() == [8, 16, 32, 128]
  assert median.get_ydata().tolist() == [1 / 8, 1 / 16, 1 / 32, 1 / 128]


@pytest.mark.parametrize(
  "values, expected",
  [
    ([[16], [4], [8]], "4 8 16"),
    ([[64, 64], [8], [128]], "8 128 64,64"),
    ([[64, 64], [8, 8]], "8,8 64,64"),
    ([True, False], "true false"),
    (["auto", 10, 9], "9 10 auto"),
    ([1e-05, 0.001], "1e-05 0.001"),
  ],
)
def test_values_are_sorted_as_values(values, expected):
  found = sweep_plots.order_values([sweep_plots.single(v) for v in values])
  assert [sweep_plots.text(v) for v in found] == expected.split()


def test_what_failed_is_shown(tmp_path, drawn):
  results = [
    made_up({"optimizer.learning_rate": rate}, [rate])
    for rate in (0.1, 0.2, 0.3)
  ]
  lost = Result("d", {"optimizer.learning_rate": 0.9}, "failed", "nan", {})
  sweep_plots.plot_results([*results, lost], tmp_path)
  axes = drawn[0][1][0, 0]
  cross = next(x for x in axes.lines if x.get_label() == "failed, no score")
  assert cross.get_xdata().tolist() == [0.9]
  diverged = made_up({"train.seed": 1}, [0.2], state="failed")
  others = [made_up({"train.seed": k}, [0.1 * k]) for k in (2, 3)]
  sweep_plots.plot_results([diverged, *others], tmp_path)
  assert legend(drawn[-1][0]) == [
    "all: median of 2 seeds, thin: each, 1 failed"
  ]


def test_curves_of_seeds_differ_in_more_than_colour(tmp_path, drawn):
  results = [
    made_up({"a": a, "train.seed": s}, [0.5, 0.1 * a + s / 100])
    for a in range(1, 9)
    for s in range(3)
  ]
  paths = sweep_plots.plot_results(results, tmp_path)
  assert [path.name for path in paths] == [
    "hyper_parameters.png",
    "learning_curves.png",
  ]
  figure, grid = drawn[1]
  axes = grid[0, 0]
  assert axes.get_title() == "the best 6 of 8 settings"
  named = [x for x in axes.lines if "median" in str(x.get_label())]
  assert legend(figure)[0] == "a=1: median of 3 seeds, thin: each"
  assert len({x.get_marker() for x in named}) == 6
  assert len({x.get_color() for x in named}) == 6
  assert len({str(x.get_linestyle()) for x in named}) >= 4
  known = {colour.lower() for colour in pictures.COLOURS}
  assert {to_hex(x.get_color()) for x in axes.lines} <= known
  assert not axes.collections  # no band below zero


def test_only_what_varies_by_design_has_a_panel(tmp_path, drawn):
  # two configs that differ in many fields at once
  many = {f"field.{k}": None for k in range(12)}
  loose = [
    made_up({k: value for k in many} | {"train.seed": s}, designed=False)
    for value in (1, 2)
    for s in (0, 1)
  ]
  paths = sweep_plots.plot_results(loose, tmp_path)
  assert [path.name for path in paths] == ["learning_curves.png"]
  assert legend(drawn[0][0])[0].startswith("name: median of 2 seeds")
  # fields that vary by themselves
  loose = [
    made_up({"a": a, "b": b, "of a": -a}, designed=False)
    for a in (1, 2)
    for b in (1, 2)
  ]
  sweep_plots.plot_results(loose, tmp_path)
  assert [axes.get_xlabel() for axes in drawn[1][1].flat] == ["b"]
  # of a sweep as many as there is room for
  wide = [made_up({f"x.{k}": k + n for k in range(9)}) for n in range(4)]
  sweep_plots.plot_results(wide, tmp_path)
  figure, grid = drawn[3]
  assert grid.shape == (2, 3)
  assert figure.get_suptitle() == "6 of 9 hyper-parameters"


def test_mixtures_are_refused(tmp_path, capsys):
  fake_run(tmp_path / "a", POINT, [(10, 0.5)])
  one = find_results([tmp_path])[0]
  other = made_up({}, **{"task.name": "multiplication"})
  bits = made_up({}, metric="bits_per_char")
  for mixed in (other, bits):
    with pytest.raises(RunError, match="one score of one task") as error:
      sweep_plots.plot_results([one, mixed], tmp_path / "out")
    assert "\n" not in str(error.value) and "plot them apart" in str(
      error.value
    )
  assert not (tmp_path / "out").exists()


def test_another_metric_and_another_axis(tmp_path, drawn, capsys):
  path = tmp_path / "run"
  fake_run(path, POINT, [])
  lines = [
    f'{{"step": {step}, "seconds": {step / 4}, "{split}/squared_error": 0.5,'
    f' "{split}/accuracy": {step / 100}, "gradient_norm": 2.5}}\n'
    for step in (10, 20)
    for split in ("train", "valid")
  ]
  (path / "metrics.jsonl").write_text("".join(lines))
  for x, places, label in (
    ("step", [10, 20], "updates"),
    ("sequences", [40, 80], "training sequences"),
    ("seconds", [2.5, 5.0], "seconds of training"),
  ):
    plot.plot_run(path, Choice(metric="accuracy", x=x))
    axes = drawn[-1][1][0, 0]
    assert axes.lines[-1].get_xdata().tolist() == places
    assert axes.lines[-1].get_ydata().tolist() == [0.1, 0.2]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (label, "accuracy")
    assert axes.get_yscale() == "linear"
  assert "0.1 at the best squared error" in legend(drawn[-1][0])[-1]
  plot.plot_run(path, Choice(metric="gradient_norm"))
  assert drawn[-1][1][0, 0].lines[0].get_ydata().tolist() == [2.5, 2.5]
  plot.main(["plot", str(path), "--metric=accuracy", f"--output={tmp_path}"])
  assert (tmp_path / "learning_curve.png").exists()
  with pytest.raises(
    ConfigError, match='no "acuracy"; did you mean "accuracy"'
  ):
    plot.plot_run(path, Choice(metric="acuracy"))
  fake_run(tmp_path / "old", POINT, [(10, 0.5)])
  with pytest.raises(RunError, match="did not record its seconds"):
    plot.plot_run(tmp_path / "old", Choice(x="seconds"))


@pytest.mark.parametrize(
  "name",
  [
    "a$b$",
    "$\\frac{$",
    "_hidden",
    "雪 and 🙂",
    "new\nline",
    "%s {x}",
    "x" * 200,
  ],
)
def test_names_are_drawn_as_they_are(name, tmp_path, drawn):
  for seed in (0, 1):
    point = POINT | {"train.seed": seed}
    fake_run(tmp_path / f"{name}{seed}", point, [(10, 0.5), (20, 0.1)])
  plot.plot_run(tmp_path / f"{name}0", Choice(format="svg"))
  fake_run(tmp_path / "b", {**POINT, "optimizer.learning_rate": 1.0}, [(10, 1)])
  sweep_plots.plot_results(find_results([tmp_path]), tmp_path / "out")
  assert len(legend(drawn[-1][0])) == 2
  results = [made_up({"task.corpus": f"{name}{k}"}, [1.0]) for k in range(3)]
  sweep_plots.plot_results(results, tmp_path / "out")
  assert len(legend(drawn[-1][0])) == 3


def test_a_sweep_is_drawn_and_summed_up(tmp_path, capsys):
  fake_sweep(tmp_path)
  printed = run_main(plot, capsys, str(tmp_path), "--format=pdf").splitlines()
  assert printed[0] == "2 finished, 1 stopped, 1 failed"
  assert printed[-2:] == [
    f"{tmp_path}/hyper_parameters.pdf",
    f"{tmp_path}/learning_curves.pdf",
  ]
