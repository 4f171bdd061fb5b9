"""The look of pictures: axes, files, numbers."""

import re

import numpy as np
import pytest
from fake_runs import fake_run
from helpers import run_main
from PIL import Image

from experiments import curves, pictures, plot

POINT = {"train.seed": 0, "optimizer.learning_rate": 0.1}


@pytest.mark.parametrize(
  "values, kind",
  [
    ([4.0, 1.8, 1.7], "linear"),
    ([0.3, 0.002], "log"),
    ([1.0, 0.2, 0.0, 0.01], "symlog"),
    ([2.0, 0.1, -3.0], "linear"),
    ([], "linear"),
  ],
)
def test_the_axis_fits_the_values(values, kind, tmp_path):
  with pictures.picture(tmp_path / "a.png") as (_, grid):
    pictures.scale(grid[0, 0], "y", values)
    grid[0, 0].plot(values)
    assert grid[0, 0].get_yscale() == kind


def test_quartiles_are_of_all_curves():
  rising = [np.array([[10, 1.0], [20, 3.0]]), np.array([[10, 3.0]])]
  places, found = curves.quartiles(rising, [True, True])
  assert places.tolist() == [10, 20]
  assert found[1].tolist() == [2.0, 3.0] and found[0].tolist() == [1.5, 3.0]
  # One that has not ended says nothing of later steps.
  places, found = curves.quartiles(rising, [True, False])
  assert places.tolist() == [10] and found[1].tolist() == [2.0]


@pytest.mark.parametrize(
  "kind, start", [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
@pytest.mark.parametrize("width, inches", [("column", 3.3), ("page", 6.9)])
def test_formats_and_widths(kind, start, width, inches, tmp_path, capsys):
  fake_run(tmp_path / "run", POINT, [(10, 0.5), (20, 0.1)])
  words = (
    f"--workdir={tmp_path / 'run'}",
    f"--format={kind}",
    f"--width={width}",
  )
  path = tmp_path / f"run/learning_curve.{kind}"
  assert run_main(plot, capsys, *words).strip() == str(path)
  first = path.read_bytes()
  assert first.startswith(start)
  run_main(plot, capsys, *words)
  assert path.read_bytes() == first  # the same numbers, the same bytes
  if kind == "png":
    with Image.open(path) as image:
      assert image.width == round(200 * inches)
  if kind == "svg":
    assert float(re.search(r'width="([\d.]+)pt"', first.decode())[1]) == (
      pytest.approx(72 * inches)
    )
