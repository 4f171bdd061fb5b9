"""Metrics of the updates: read late, checked, summed, shown and written."""

import math
import time
from typing import NoReturn

import jax

from experiments.plan import Start
from lstm_jax.errors import RunError
from lstm_jax.metrics.sums import Sums
from lstm_jax.training.step import StepMetrics
from lstm_jax.training.trials import merge_metrics


class Meter:
  """Looks at each call of updates while the next one is being computed.

  It shows every update, writes a line of metrics at each log interval, and
  stops the run where a loss is no longer finite.
  """

  def __init__(self, run: Start, suspects: list[str]):
    self._run, self._suspects = run, suspects
    self._waiting = None  # (step, metrics)
    self._compiling = True  # the first update's time is not training
    self._clear()

  def put(
    self, step: int, metrics: StepMetrics, active: int = 1, extra: str = ""
  ):
    """Takes the metrics of a call that may not be finished yet.

    active: trials that it updated.
    extra: what else the line of progress says.
    """
    self.flush()
    self._waiting = step, metrics, active, extra

  def flush(self):
    """Waits for the last update and looks at it.

    Raises:
      RunError: its loss or gradient is not finite.
    """
    if self._waiting is None:
      return
    (step, metrics, active, extra), self._waiting = self._waiting, None
    config, task = self._run.config, self._run.task
    metrics = merge_metrics(jax.device_get(metrics))
    gradient_norm = float(metrics.gradient_norm)
    new = jax.tree.map(float, metrics.sums)
    for name, value in (("loss", new.nats), ("gradient norm", gradient_norm)):
      if not math.isfinite(value):
        self.fail(step, f"the {name} is {value}" + self._culprit(metrics))
    if skipped := int(metrics.skipped):
      updates = "an update is" if skipped == 1 else f"{skipped} updates are"
      self._run.report.note(
        f"step {step}: {updates} left out" + self._culprit(metrics)
      )
    self._sums += new
    if self._compiling:
      self._compiling, self._start = False, time.monotonic()
    else:
      self._updates += active * config.train.steps_per_call
    log = step % config.run.log_every == 0 or step == config.train.steps
    loss = math.nan
    if self._sums.weight:
      loss = task.scores(self._sums)[task.headline.name]
    speed = math.nan
    if self._updates:
      elapsed = time.monotonic() - self._start
      speed = self._updates * task.tokens_per_step / elapsed
    self._run.report.update(step, loss, speed, log=log, extra=extra)
    if log:
      epoch = {}
      if task.steps_per_epoch:
        epoch = {"epoch": step / task.steps_per_epoch}
      self._run.writer.write(
        step,
        **epoch,
        **{
          f"train/{task.headline.name}": loss,
          f"{task.token}s_per_second": speed,
          "gradient_norm": gradient_norm,
          "learning_rate": float(metrics.learning_rate),
        },
      )
      self._clear()

  def _culprit(self, metrics) -> str:
    number = int(metrics.culprit)
    return f": {self._suspects[number]} is not finite" if number else ""

  def pause(self, seconds: float):
    """Takes time that was not spent on updates out of the speed."""
    self._start += seconds

  def _clear(self):
    self._sums, self._updates = Sums(0.0, 0.0), 0
    self._start = time.monotonic()

  def fail(self, step: int, what: str) -> NoReturn:
    """Stops the run.

    Raises:
      RunError: names the step, what is wrong and the last good checkpoint.
    """
    self._run.checkpointer.wait()
    last = self._run.checkpointer.latest_step()
    raise RunError(
      f"step {step}: {what}; the last good checkpoint is"
      f" {'none' if last is None else last}; a lower"
      " --config.optimizer.learning_rate or clip_norm may help, in another"
      " --workdir"
    )
