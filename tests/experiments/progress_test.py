"""What a person sees, and the meter behind it."""

import functools
import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.meter import Meter
from experiments.progress import ProgressReport, percent_line
from lstm_jax.errors import RunError
from lstm_jax.metrics.sums import Sums
from lstm_jax.tasks.text_config import CharLMConfig
from lstm_jax.training.step import StepMetrics

SETTINGS = {
  "steps": 200,
  "steps_per_epoch": 50,
  "unit": "bits/char",
  "token": "character",
}


class Clock:
  def __init__(self, monkeypatch):
    self.now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: self.now)


class Terminal(io.StringIO):
  def isatty(self):
    return True


def test_plain_lines_at_the_log_intervals(tmp_path, monkeypatch, capsys):
  clock = Clock(monkeypatch)
  with ProgressReport(tmp_path / "log", **SETTINGS) as report:
    for step in range(1, 31):
      report.update(step, 2.5, 41000.4, log=step % 10 == 0)
      clock.now += 2.0
    report.note("a note with [brackets] and :key:")
  printed = capsys.readouterr().out
  *lines, note = printed.splitlines()
  assert lines == [
    f"step  {step}/200  epoch {step / 50:.2f}  2.500 bits/char"
    f"  41,000 characters/s  0:0{left} left"
    for step, left in ((10, "6:20"), (20, "6:00"), (30, "5:40"))
  ]
  assert note == "a note with [brackets] and :key:"
  log = (tmp_path / "log").read_text().splitlines()
  assert [line[21:] for line in log] == printed.splitlines()


def test_a_live_line_on_a_terminal(tmp_path, monkeypatch):
  clock = Clock(monkeypatch)
  terminal = Terminal()
  monkeypatch.setattr(sys, "stdout", terminal)
  monkeypatch.setenv("TERM", "xterm")
  monkeypatch.setenv("COLUMNS", "100")
  long = "data[:end:] [red] " + "x" * 300
  with ProgressReport(tmp_path / "log", **SETTINGS) as report:
    report.update(1, 3.0, float("nan"), log=False)
    assert "? " not in terminal.getvalue()  # unknown speed, and time left
    assert "?:" not in terminal.getvalue()
    clock.now += 1.0
    report.update(2, 2.5, 100.0, log=False)
    report.note(long)
  shown = terminal.getvalue()
  assert "2.500 bits/char" in shown and "0:03:18" in shown
  assert "100 characters/s" in shown
  assert long in shown  # as it is: no markup, no emoji, no line breaks
  assert (tmp_path / "log").read_text().count("\n") == 1


@pytest.mark.parametrize("columns", [0, 1, 20, 40, 60, 80, 100])
def test_the_time_left_is_seen_on_narrow_terminals(
  tmp_path, monkeypatch, columns
):
  clock, terminal = Clock(monkeypatch), Terminal()
  monkeypatch.setattr(sys, "stdout", terminal)
  monkeypatch.setenv("TERM", "xterm")
  monkeypatch.setenv("COLUMNS", str(columns))
  with ProgressReport(tmp_path / "log", **SETTINGS) as report:
    for step in range(1, 4):
      report.update(step, 2.5, 41148.0, log=True)
      clock.now += 1.0
  shown = re.split(r"[\r\n]", terminal.getvalue())
  line = [re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text) for text in shown]
  last = [text for text in line if "step" in text][-1:]
  if columns >= 40 or not columns:
    assert "0:03:17" in last[0] and len(last[0]) <= (columns or 80)
    assert ("41,148" in last[0]) == (columns not in (1, 20, 40))
    assert ("bits/char" in last[0]) == (columns not in (1, 20, 40, 60))
  log = (tmp_path / "log").read_text().splitlines()[-1]
  assert log.endswith("2.500 bits/char  41,148 characters/s  0:03:17 left")


def test_bytes_that_are_no_text(tmp_path):
  with ProgressReport(tmp_path / "log", **SETTINGS) as report:
    report._to_log("runs/caf\udce9")
  assert (tmp_path / "log").read_text().endswith("runs/caf\\udce9\n")


def test_a_percent_line_is_for_terminals_and_goes_away(monkeypatch):
  for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
    monkeypatch.setattr(sys, "stderr", stream)
    watch = functools.partial(percent_line, "reading")
    watch(1, 3)
    assert stream.getvalue().endswith("reading: 33 %") == shown
    watch(3, 3)
    assert stream.getvalue().endswith("\r\x1b[K") == shown


class Recorder:
  """Stands for the writer, the report and the checkpointer."""

  def __init__(self):
    self.rows, self.shown = [], []

  def write(self, step, **row):
    self.rows.append((step, row))

  def update(self, step, loss, speed, *, log, extra):
    self.shown.append((step, loss, speed, log))

  def wait(self):
    pass

  def latest_step(self):
    return 7


def meter_of(recorder, log_every=2):
  config = SimpleNamespace(
    run=SimpleNamespace(log_every=log_every),
    train=SimpleNamespace(steps=10, steps_per_call=1),
  )
  task = SimpleNamespace(
    headline=CharLMConfig.headline,
    token=CharLMConfig.token,
    steps_per_epoch=4,
    tokens_per_step=100,
    scores=CharLMConfig.scores,
  )
  run = SimpleNamespace(
    config=config,
    task=task,
    writer=recorder,
    report=recorder,
    checkpointer=recorder,
  )
  return Meter(run, ["", "all"])


def metrics(bits, gradient_norm=1.0):
  return StepMetrics(
    Sums(bits * 100 * 0.6931471805599453, 100.0),
    np.float32(gradient_norm),
    np.float32(0.5),
  )


def test_the_meter_reads_late_and_leaves_pauses_out(monkeypatch):
  clock, recorder = Clock(monkeypatch), Recorder()
  meter = meter_of(recorder)
  meter.put(1, metrics(4.0))
  assert recorder.shown == []  # it may not be finished yet
  clock.now += 50.0  # compiling
  meter.put(2, metrics(2.0))
  clock.now += 1.0
  meter.put(3, metrics(1.0))
  clock.now += 2.0
  meter.pause(1.5)
  meter.put(4, metrics(3.0))
  clock.now += 0.5
  meter.flush()
  meter.flush()
  steps, losses, speeds, logged = zip(*recorder.shown)
  assert steps == (1, 2, 3, 4) and logged == (False, True, False, True)
  # Means since the last line of metrics.
  assert losses == pytest.approx((4.0, 3.0, 1.0, 2.0))
  # 100 characters an update; the first one's time is compilation.
  assert speeds[1:] == pytest.approx((100.0, 200.0, 200.0))
  assert [step for step, _ in recorder.rows] == [2, 4]
  assert recorder.rows[0][1] == pytest.approx(
    {
      "epoch": 0.5,
      "train/bits_per_char": 3.0,
      "characters_per_second": 100.0,
      "gradient_norm": 1.0,
      "learning_rate": 0.5,
    }
  )


@pytest.mark.parametrize(
  "bad, message",
  [
    (metrics(float("nan")), "step 8: the loss is nan"),
    (metrics(1.0, float("inf")), "step 8: the gradient norm is inf"),
  ],
)
def test_the_meter_stops_what_is_not_finite(bad, message):
  meter = meter_of(Recorder())
  meter.put(8, bad)
  with pytest.raises(RunError) as error:
    meter.flush()
  assert str(error.value).startswith(message)
  assert "the last good checkpoint is 7;" in str(error.value)
